//! A report as plain text.

use std::fmt::{self, Display, Formatter};

use crate::load::histogram::Percentiles;
use crate::load::report::Report;

/// Shows a report in some twenty lines.
pub struct Text<'a>(pub &'a Report);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.joins(f)?;
        self.delivery(f)?;
        self.full(f)?;
        self.window(f)?;
        self.server(f)?;
        self.generator(f)?;
        for (what, count) in &self.0.errors {
            writeln!(f, "error        {count} × {what}")?;
        }
        Ok(())
    }
}

impl Text<'_> {
    fn joins(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let joins = &self.0.joins;
        if joins.asked == 0 {
            let (asked, connected) = joins.publishers;
            return writeln!(f, "publishers   {connected} of {asked} connected, no subscribers");
        }
        writeln!(
            f,
            "joins        {} of {} got a picture, {} refused, {} ended early",
            joins.playing, joins.asked, joins.refused, joins.ended
        )?;
        for (name, times) in [
            ("  answer", &joins.answered_ms),
            ("  connected", &joins.connected_ms),
            ("  packet", &joins.first_packet_ms),
            ("  key frame", &joins.key_frame_ms),
        ] {
            writeln!(
                f,
                "{name:<12} p50 {} · p95 {} · max {} ms",
                number(times.p50),
                number(times.p95),
                number(times.max)
            )?;
        }
        Ok(())
    }

    fn delivery(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.joins.asked == 0 {
            return writeln!(f, "published    {} packets", self.0.delivery.published.sent);
        }
        let delivery = &self.0.delivery;
        let counts = &delivery.counts;
        writeln!(
            f,
            "delivered    {} packets, {} lost ({:.4} %), {} out of order, {} twice",
            counts.packets,
            delivery.lost,
            delivery.lost_share * 100.0,
            counts.reordered,
            counts.duplicates
        )?;
        writeln!(
            f,
            "checked      {} packets: {} corrupt, {} misrouted, {} not authentic, {} late",
            counts.opened, counts.corrupt, counts.misrouted, counts.unauthentic, counts.late
        )?;
        if counts.discarded > 0 || counts.nacks > 0 {
            writeln!(
                f,
                "loss         {} dropped on purpose, {} asked for again, {} key frames asked for",
                counts.discarded, counts.nacks, counts.key_frame_requests
            )?;
        }
        Ok(())
    }

    fn full(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(full) = &self.0.full else { return Ok(()) };
        let (video, latency) = (&full.video, &full.latency_ms);
        writeln!(
            f,
            "full         {} of {} played: {} packets, {} lost, {} frames, {} broken, {} corrupt, {} misrouted",
            full.playing,
            full.asked,
            video.packets,
            video.lost,
            video.frames,
            video.broken_frames,
            full.corrupt,
            full.misrouted
        )?;
        writeln!(
            f,
            "             latency p50 {} · p99 {} ms until decrypted, key frame p50 {} · max {} ms",
            number(latency.p50),
            number(latency.p99),
            number(full.key_frame_ms.p50),
            number(full.key_frame_ms.max)
        )
    }

    fn window(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let window = &self.0.window;
        if self.0.joins.asked == 0 {
            return Ok(());
        }
        writeln!(
            f,
            "rate         {:.0} packets/s, {:.1} Mbit/s over {:.1} s",
            window.packets_per_second, window.mbits_per_second, window.seconds
        )?;
        writeln!(f, "latency      {}", Spread(&window.latency_ms))
    }

    fn server(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(server) = &self.0.server else {
            return writeln!(f, "server       unknown process (--server-pid)");
        };
        let each = server.us_per_packet.map_or(String::new(), |us| format!("{us:.3} µs CPU per delivered packet, "));
        let interrupts = server.interrupts_cores.map_or(String::new(), |cores| format!(", interrupts {cores:.3}"));
        writeln!(f, "server       {each}{:.3} cores{interrupts}", server.cores)?;
        let (before, after) = server.resident_kb;
        let each = server.kb_per_subscriber.map_or(String::new(), |each| format!(": {each:.1} kB per subscriber"));
        writeln!(f, "memory       {before} kB with publishers alone, {after} kB at the end{each}")
    }

    fn generator(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let own = &self.0.generator;
        writeln!(
            f,
            "generator    {:.3} cores, busiest thread {:.0} %, {} own drops, p99 late: read {} ms, published {} ms",
            own.cores,
            own.busiest_thread * 100.0,
            own.overflows,
            number(own.receive_lag_ms.p99),
            number(own.publish_lag_ms.p99)
        )?;
        for reason in &own.bottleneck {
            writeln!(f, "BOTTLENECK   the generator was one: {reason}")?;
        }
        Ok(())
    }
}

struct Spread<'a>(&'a Percentiles);

impl Display for Spread<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Percentiles { count, p50, p90, p99, p999, max, .. } = *self.0;
        if count == 0 {
            return write!(f, "nothing was measured");
        }
        let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(number);
        write!(f, "p50 {p50} · p90 {p90} · p99 {p99} · p99.9 {p999} · max {max} ms, of {count} samples")
    }
}

/// Three significant digits are enough.
fn number(value: f64) -> String {
    match value {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
