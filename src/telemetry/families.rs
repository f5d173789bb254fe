//! Metric families in Prometheus' text format, filled from figures that others have counted.

use prometheus::TextEncoder;
use prometheus::proto::{Bucket, Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

use crate::sfu::histogram::Histogram;

/// Names and values of a sample's labels.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;

/// What a scrape gets.
#[derive(Default)]
pub struct Families(Vec<MetricFamily>);

impl Families {
    /// A value that only grows while the server runs; its name ends with `_total`.
    #[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    pub fn counter<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, u64)>) {
        self.seconds_total(name, help, samples.into_iter().map(|(labels, value)| (labels, value as f64)));
    }

    /// The same, in seconds.
    pub fn seconds_total<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, f64)>) {
        let metric = |(labels, value)| {
            let mut counter = Counter::default();
            counter.set_value(value);
            let mut metric = labelled(labels);
            metric.set_counter(counter);
            metric
        };
        self.push(name, help, MetricType::COUNTER, samples.into_iter().map(metric).collect());
    }

    /// A value that goes up and down.
    pub fn gauge<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (Labels<'a>, f64)>) {
        let metric = |(labels, value)| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            let mut metric = labelled(labels);
            metric.set_gauge(gauge);
            metric
        };
        self.push(name, help, MetricType::GAUGE, samples.into_iter().map(metric).collect());
    }

    /// Measured values by bound. `unit` is how many of the histogram's units one of the metric's has.
    pub fn histogram<'a, 'h>(
        &mut self,
        name: &str,
        help: &str,
        unit: f64,
        samples: impl IntoIterator<Item = (Labels<'a>, &'h Histogram)>,
    ) {
        let metric = |(labels, histogram)| {
            let mut metric = labelled(labels);
            metric.set_histogram(buckets(histogram, unit));
            metric
        };
        self.push(name, help, MetricType::HISTOGRAM, samples.into_iter().map(metric).collect());
    }

    /// The encoder refuses families without samples, and there is nothing to say of them.
    fn push(&mut self, name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) {
        if metrics.is_empty() {
            return;
        }
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        family.set_metric(metrics);
        self.0.push(family);
    }

    /// The text.
    ///
    /// # Panics
    /// Never: what the encoder refuses, a family without name or samples, is not made.
    #[must_use]
    pub fn encode(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0).expect("every family has a name and samples")
    }
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pair = |(name, value): (&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(labels.into_iter().map(pair).collect());
    metric
}

#[allow(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn buckets(histogram: &Histogram, unit: f64) -> prometheus::proto::Histogram {
    let bucket = |(bound, below)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound as f64 / unit);
        bucket.set_cumulative_count(below);
        bucket
    };
    let mut proto = prometheus::proto::Histogram::default();
    proto.set_bucket(histogram.cumulative().map(bucket).collect());
    proto.set_sample_count(histogram.count());
    proto.set_sample_sum(histogram.sum() as f64 / unit);
    proto
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_prometheus_text() {
        let mut families = Families::default();
        families.counter("a_total", "Some.", [(vec![("of", "x\"y\\z\n")], 3), (Vec::new(), 1 << 40)]);
        families.gauge("nothing", "Left out.", []);
        let mut histogram = Histogram::new(&[1_000, 2_500]);
        for value in [500, 1_000, 2_000, 9_000] {
            histogram.observe(value);
        }
        families.histogram("h_seconds", "Times.", 1e6, [(Vec::new(), &histogram)]);
        let expected = "# HELP a_total Some.\n# TYPE a_total counter\n\
                        a_total{of=\"x\\\"y\\\\z\\n\"} 3\na_total 1099511627776\n\
                        # HELP h_seconds Times.\n# TYPE h_seconds histogram\n\
                        h_seconds_bucket{le=\"0.001\"} 2\nh_seconds_bucket{le=\"0.0025\"} 3\n\
                        h_seconds_bucket{le=\"+Inf\"} 4\nh_seconds_sum 0.0125\nh_seconds_count 4\n";
        assert_eq!(families.encode(), expected);
    }
}
