//! Just enough of Rust's grammar to look for words in code and not in comments, strings and tests.

/// The first name of each path in a group, up to the group's closing brace.
pub fn first_names(group: &str) -> Vec<&str> {
    let mut names = vec![ident(group)];
    let mut depth = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(ident(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

pub fn ident(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    &text[..end]
}

pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The names in `mod name;` lines.
pub fn modules_of(code: &str) -> Vec<String> {
    let statements = code.split(['\n', ';', '{', '}']).zip(code.match_indices(['\n', ';', '{', '}']));
    let declared = statements.filter(|(_, (_, end))| *end == ";").filter_map(|(text, _)| {
        let words: Vec<_> = text.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "mod")?;
        words.get(at + 1).map(|name| (*name).to_owned())
    });
    declared.collect()
}

/// Rust without comments, strings and characters: blanks stand for them, so that positions stay.
pub fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let previous = code.chars().next_back().unwrap_or(' ');
        let blank = blank_length(rest, previous);
        let (skipped, behind) = rest.split_at(if blank == 0 { character.len_utf8() } else { blank });
        if blank == 0 {
            code.push_str(skipped);
        } else {
            code.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = behind;
    }
    code
}

/// How many bytes from here on are a comment, a string or a character; 0 where none begins.
fn blank_length(rest: &str, previous: char) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment_length(rest);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    let raw = rest.strip_prefix('r').map(|behind| behind.trim_start_matches('#'));
    if raw.is_some_and(|behind| behind.starts_with('"')) && (!is_word(previous) || previous == 'b') {
        let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
        let (open, close) = (2 + hashes, format!("\"{}", "#".repeat(hashes)));
        return rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len());
    }
    // A lifetime has no closing quote behind its first letter.
    let mut quote = rest.strip_prefix('\'').unwrap_or_default().chars();
    match (quote.next(), quote.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_length(rest, '\''),
        _ => 0,
    }
}

/// Comments nest.
fn comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The code with blanks for every item behind `#[cfg(test)]`.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        let end = at + MARK.len() + item_length(&rest[at + MARK.len()..]);
        kept.extend(rest[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    kept + rest
}

/// Up to the item's closing brace, or its semicolon where it has no braces.
fn item_length(rest: &str) -> usize {
    let mut depth = 0;
    for (at, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_text() {
        let table = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x\"y", z)"#, "f(      , z)"),
            ("r#\"a\"b\"# c", "         c"),
            ("br\"a\" c", "b     c"),
            ("for\"a\"", "for   "),
            ("'a' 'b", "    'b"),
            (r"'\'' x", "     x"),
            ("&'static str", "&'static str"),
        ];
        for (text, code) in table {
            assert_eq!(code_of(text), code, "{text}");
        }
    }
}
