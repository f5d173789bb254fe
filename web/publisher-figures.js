// The publisher's statistics in words.

import { formatBitrate, formatMs, formatPercent, formatSize } from "./ui.js";

/** Pairs of term and value for the list of figures. */
export function figuresOf(stats) {
  const fps = stats.fps == null ? "" : `, ${Math.round(stats.fps)}/s`;
  return [
    ["Sending", formatBitrate((stats.videoBitrate ?? 0) + (stats.audioBitrate ?? 0))],
    ["Picture", formatSize(stats.width, stats.height) + fps],
    ["Codecs", [stats.videoCodec, stats.audioCodec].filter(Boolean).join(", ") || "–"],
    ["Sizes", String(stats.layers || "–")],
    ["Round trip", formatMs(stats.rttMs)],
    ["Loss", formatPercent(stats.loss)],
    ["Limited by", { none: "nothing", cpu: "this computer", bandwidth: "the network", other: "the browser" }[stats.limitation] ?? "–"],
    ["Upload allows", formatBitrate(stats.availableBitrate)],
    ["Encoder", stats.encoder ?? "–"],
    ["Path", [stats.protocol, stats.srtpCipher].filter(Boolean).join(", ") || "–"],
  ];
}

/** What holds the picture down, and what helps; empty where nothing does. */
export function limitationText(stats) {
  if (stats.limitation === "cpu") return "This computer is too slow for the chosen picture: a smaller size or another codec helps.";
  if (stats.limitation === "bandwidth" && (stats.loss ?? 0) > 0.05) {
    return "The network loses much of what is sent: a lower bit rate helps.";
  }
  return "";
}
