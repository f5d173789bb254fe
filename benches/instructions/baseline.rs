//! The counts that were accepted, as a file: a line that says with what they were made, then a line for each path.

use std::collections::BTreeMap;
use std::fs;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

pub struct Baseline<Name: Ord = &'static str> {
    /// Compiler, valgrind and architecture: with others the counts are others.
    pub made_with: String,
    /// Instructions by path.
    pub counts: BTreeMap<Name, f64>,
}

impl Baseline {
    pub fn write(&self) {
        let counts = self.counts.iter().map(|(name, count)| format!("{name} {count:.0}\n"));
        let text = format!("# {}\n{}", self.made_with, counts.collect::<String>());
        fs::write(FILE, text).expect("the file can be written");
    }

    /// What the file says; nothing where there is none.
    pub fn read() -> Baseline<String> {
        let text = fs::read_to_string(FILE).unwrap_or_default();
        let made_with = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        let counts = text.lines().filter_map(|line| line.split_once(' '));
        let counts = counts.filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
        Baseline { made_with: made_with.to_owned(), counts: counts.collect() }
    }
}

impl Baseline<String> {
    pub fn get(&self, name: &str) -> Option<f64> {
        self.counts.get(name).copied()
    }
}
