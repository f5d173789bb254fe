//! A report as one page that needs nothing else: the JSON of the report, and a script that draws it.

use crate::load::report::Report;

const PAGE: &str = include_str!("report.html");
const PLACE: &str = "\"REPORT\"";

/// The page.
///
/// # Errors
/// Where the report cannot be written as JSON.
pub fn page(report: &Report) -> Result<String, serde_json::Error> {
    // Nothing in the text may end the script element around it.
    let json = serde_json::to_string(report)?.replace('<', "\\u003c");
    Ok(PAGE.replacen(PLACE, &json, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_one_place_for_the_report_and_fetches_nothing() {
        assert_eq!(PAGE.matches(PLACE).count(), 1);
        for foreign in ["http://", "https://", "src=", "@import", "url("] {
            let found = PAGE.matches(foreign).count();
            // The name space of SVG is no address that is fetched.
            let allowed = usize::from(foreign == "http://");
            assert!(found <= allowed, "{foreign}");
        }
    }
}
