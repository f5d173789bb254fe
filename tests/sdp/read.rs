//! A reader of descriptions that shares nothing with the server's: lines, words, no types.

use std::collections::BTreeMap;

/// A description as lines.
pub struct Text {
    pub session: Vec<String>,
    pub media: Vec<Section>,
}

/// One m-line and what stands below it.
pub struct Section {
    pub kind: String,
    pub port: String,
    pub proto: String,
    pub formats: Vec<String>,
    pub lines: Vec<String>,
    /// The values of the lines `a=<key>:…`, by key.
    attributes: BTreeMap<String, Vec<String>>,
}

impl Text {
    pub fn read(text: &str) -> Self {
        let mut session = Vec::new();
        let mut media: Vec<Section> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("m=") {
                let words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
                let word = |index: usize| words.get(index).cloned().unwrap_or_default();
                media.push(Section {
                    kind: word(0),
                    port: word(1),
                    proto: word(2),
                    formats: words.iter().skip(3).cloned().collect(),
                    lines: Vec::new(),
                    attributes: BTreeMap::new(),
                });
            } else if let Some(section) = media.last_mut() {
                section.push(line.trim_end());
            } else {
                session.push(line.trim_end().to_owned());
            }
        }
        Self { session, media }
    }

    /// The mids of the first BUNDLE group.
    pub fn bundle(&self) -> Option<Vec<&str>> {
        values(&self.session, "group").into_iter().find_map(|group| {
            let mut words = group.split_whitespace();
            (words.next() == Some("BUNDLE")).then(|| words.collect())
        })
    }

    /// A value of an m-line, or else of the session.
    pub fn inherited<'a>(&'a self, section: &'a Section, key: &str) -> Option<&'a str> {
        let own = section.values(key);
        own.first().copied().or_else(|| values(&self.session, key).first().copied())
    }
}

impl Section {
    fn push(&mut self, line: &str) {
        self.lines.push(line.to_owned());
        if let Some((key, value)) = line.strip_prefix("a=").and_then(|line| line.split_once(':')) {
            self.attributes.entry(key.to_owned()).or_default().push(value.trim().to_owned());
        }
    }

    pub fn values(&self, key: &str) -> Vec<&str> {
        self.attributes.get(key).map(|values| values.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    pub fn has(&self, flag: &str) -> bool {
        self.lines.iter().any(|line| line.strip_prefix("a=") == Some(flag))
    }

    pub fn mid(&self) -> &str {
        self.values("mid").first().copied().unwrap_or("")
    }

    pub fn directions(&self) -> Vec<&str> {
        ["sendrecv", "sendonly", "recvonly", "inactive"].into_iter().filter(|name| self.has(name)).collect()
    }

    /// `a=rtpmap` of a payload type, in lower case; static types may go without.
    pub fn encoding(&self, format: &str) -> Option<String> {
        let known = self.of("rtpmap", format).first().map(|encoding| encoding.to_ascii_lowercase());
        known.or_else(|| match format {
            "0" => Some("pcmu/8000".to_owned()),
            "8" => Some("pcma/8000".to_owned()),
            _ => None,
        })
    }

    /// What the lines `a=<key>:<format> …` say behind the payload type.
    pub fn of(&self, key: &str, format: &str) -> Vec<&str> {
        let numbered = self.values(key).into_iter().filter_map(|value| value.split_once(' '));
        numbered.filter(|(number, _)| *number == format).map(|(_, rest)| rest.trim()).collect()
    }

    /// The parameters of a payload type.
    pub fn parameters(&self, format: &str) -> BTreeMap<String, String> {
        let fmtp = self.of("fmtp", format).first().copied().unwrap_or("");
        let pairs = fmtp.split(';').map(str::trim).filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let Some((name, value)) = pair.split_once('=') else { return (format!("{pair} alone"), String::new()) };
                (name.trim().to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect()
    }

    /// Feedback of a payload type, `*` included.
    pub fn feedback(&self, format: &str) -> Vec<&str> {
        [self.of("rtcp-fb", format), self.of("rtcp-fb", "*")].concat()
    }
}

/// The values of the lines `a=<key>:…`.
pub fn values<'a>(lines: &'a [String], key: &str) -> Vec<&'a str> {
    let of = |line: &'a String| line.strip_prefix("a=")?.strip_prefix(key)?.strip_prefix(':');
    lines.iter().filter_map(of).map(str::trim).collect()
}
