#!/bin/sh
# Makes the clips beside it, one second each, with Debian's ffmpeg.
set -eu
cd "$(dirname "$0")"
picture="-f lavfi -i testsrc2=s=320x180:r=30:d=1 -threads 1 -fflags +bitexact -flags +bitexact -g 15 -b:v 200k"
fast="-lag-in-frames 0 -deadline realtime -cpu-used 8"
run() { ffmpeg -v error -y "$@"; }
# shellcheck disable=SC2086
{
    run $picture -c:v libvpx -auto-alt-ref 0 $fast vp8.ivf
    run $picture -c:v libvpx-vp9 $fast vp9.ivf
    run $picture -c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 av1.ivf
    run $picture -c:v libx264 -bf 0 -profile:v baseline -preset veryfast -x264-params slices=2:aud=1 h264.h264
    run $picture -c:v libx265 -preset ultrafast -x265-params log-level=error:bframes=0:pools=1 h265.h265
    run -f lavfi -i sine=440:d=1:r=48000 -fflags +bitexact -flags +bitexact -c:a libopus -b:a 24k opus.ogg
}
