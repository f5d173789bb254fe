//! Style as a failing test: who may import whom, what the sans-IO modules keep away from, and what no file may have.
//!
//! The tests here look at the tree; those in `tidy/samples.rs` show each check a bad sample, so that a check that went
//! blind fails too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rust::{code_of, first_names, ident, is_word, line_of, modules_of, without_tests};

#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/samples.rs"]
mod samples;

/// The modules in the order of `src/lib.rs`: each one may import itself and what stands behind it.
const ORDER: [&str; 24] = [
    "cli",
    "app",
    "config",
    "http",
    "telemetry",
    "record",
    "session",
    "auth",
    "load",
    "client",
    "notify",
    "fetch",
    "traces",
    "worker",
    "peer",
    "sdp",
    "sfu",
    "media",
    "rtp",
    "net",
    "id",
    "limits",
    "secret",
    "version",
];

/// Modules that are told the time, take input and are drained; and what they have no business with.
const SANS_IO: [&str; 4] = ["peer", "sdp", "sfu", "rtp"];
const IMPURE: [&str; 16] = [
    "Instant::now",
    "SystemTime",
    "thread",
    "Mutex",
    "RwLock",
    "Condvar",
    "tracing",
    "println",
    "eprintln",
    "std::fs",
    "std::env",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "tokio",
    "mio",
];

/// Modules of the data plane that do read the clock, in one file.
const TIMED: [&str; 2] = ["worker", "net"];
const CLOCK: &str = "src/net/clock.rs";

/// Modules that a packet passes on its way, and what would make one thread wait for another there. What the control
/// plane and a worker say to each other goes through channels: commands and events, never packets.
const LOCKLESS: [&str; 5] = ["worker", "peer", "sfu", "rtp", "net"];
const LOCKS: [&str; 9] =
    ["Mutex", "RwLock", "Condvar", "Barrier", "Semaphore", "OnceLock", "LazyLock", "lock()", "blocking_recv"];

const MOST_LINES: usize = 600;
const MOST_LINES_OF_MAIN: usize = 100;
const MOST_COLUMNS: usize = 120;

// ---- the tree --------------------------------------------------------------------------------------

#[test]
fn source_files_are_tidy() {
    let mut findings = Findings::default();
    for file in files("src").iter().filter(|file| file.is_rust()) {
        check_imports(file, &mut findings);
        check_purity(file, &mut findings);
        check_clock(file, &mut findings);
        check_locks(file, &mut findings);
        check_unsafe(file, &mut findings);
        check_unwrap(file, &mut findings);
    }
    findings.assert_none();
}

#[test]
fn all_files_are_tidy() {
    let mut findings = Findings::default();
    for file in files("") {
        check_length(&file, &mut findings);
        check_columns(&file, &mut findings);
        check_promises(&file, &mut findings);
        check_places(&file, &mut findings);
    }
    findings.assert_none();
}

#[test]
fn every_source_file_belongs_to_a_module() {
    let sources: Vec<_> = files("src").into_iter().filter(File::is_rust).collect();
    assert_eq!(unreferenced(&sources), Vec::<String>::new(), "no `mod` line leads here");
}

#[test]
fn the_order_is_the_one_of_the_library() {
    let library = read("src/lib.rs");
    let diagram = library.split("//! ```").nth(1).expect("lib.rs shows the modules in order");
    let lines = diagram.lines().filter_map(|line| line.strip_prefix("//! "));
    let names: Vec<_> = lines.flat_map(|line| line.split("  ").next().unwrap_or("").split(' ')).collect();
    assert_eq!(names, ORDER, "lib.rs and this file disagree");

    let modules: BTreeSet<_> = modules_of(&code_of(&library)).into_iter().collect();
    assert_eq!(modules, ORDER.map(str::to_owned).into(), "lib.rs has other modules than the table");
}

#[test]
fn every_dependency_is_accounted_for() {
    let accounts = read("docs/dependencies.md");
    let missing: Vec<_> =
        dependencies(&read("Cargo.toml")).into_iter().filter(|name| !accounts_for(&accounts, name)).collect();
    assert_eq!(missing, Vec::<String>::new(), "no line in docs/dependencies.md says what these are for");
}

/// `docs/api.md` says of each promise which tests hold the server to it.
#[test]
fn every_promise_of_the_api_names_tests_that_are_there() {
    let sources: Vec<File> = ["src", "tests"].into_iter().flat_map(files).collect();
    let is_there = |name: &str| sources.iter().any(|file| file.text.contains(name));
    let page = read("docs/api.md");
    let (rows, missing) = promises(&page, is_there);
    assert!(rows >= 40, "{rows} promises: the table was not understood");
    println!("{rows} promises");
    assert_eq!(missing, Vec::<String>::new(), "docs/api.md names tests that are not there");
}

// ---- the checks ------------------------------------------------------------------------------------

/// Rows of tables whose second column names tests, and the names that `is_there` does not know; a row without a name
/// counts as missing too.
fn promises(page: &str, is_there: impl Fn(&str) -> bool) -> (usize, Vec<String>) {
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && !line.contains("| tests |")).collect();
    let rows: Vec<&str> = rows.into_iter().filter(|line| !line.starts_with("| ---")).collect();
    let mut missing = Vec::new();
    for row in &rows {
        let tests = row.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        // A test in Rust is a function; one of a browser has a sentence, and its file is named.
        let known = |name: &str| is_there(&format!("fn {name}(")) || (name.contains('/') && is_file(name));
        missing.extend(names.iter().filter(|name| !known(name)).map(|name| (*name).to_owned()));
        if names.is_empty() {
            missing.push((*row).to_owned());
        }
    }
    (rows.len(), missing)
}

fn is_file(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()
}

/// A module imports what stands behind it, and itself.
fn check_imports(file: &File, findings: &mut Findings) {
    let Some(rank) = file.module().and_then(rank_of) else { return };
    for (line, name) in imports(file) {
        if let Some(other) = rank_of(&name).filter(|other| *other < rank) {
            findings.add(file, line, &format!("{} is below {} and must not import it", ORDER[rank], ORDER[other]));
        }
    }
}

/// The sans-IO modules keep away from clocks, sockets, threads, locks and logs; their tests need not.
fn check_purity(file: &File, findings: &mut Findings) {
    if file.module().is_some_and(|module| SANS_IO.contains(&module)) && !file.only_for_tests {
        find_words(file, &without_tests(&file.code), &IMPURE, "has no place in a sans-IO module", findings);
    }
}

/// The data plane reads the clock in one place, so that everything else can be told the time.
fn check_clock(file: &File, findings: &mut Findings) {
    let timed = file.module().is_some_and(|module| TIMED.contains(&module));
    if timed && file.path != CLOCK && !file.only_for_tests {
        let words = ["Instant::now", "SystemTime::now"];
        find_words(file, &without_tests(&file.code), &words, "belongs in src/net/clock.rs", findings);
    }
}

/// No packet waits for a lock.
fn check_locks(file: &File, findings: &mut Findings) {
    if file.module().is_some_and(|module| LOCKLESS.contains(&module)) && !file.only_for_tests {
        find_words(file, &without_tests(&file.code), &LOCKS, "has no place on a packet's way", findings);
    }
}

fn check_unsafe(file: &File, findings: &mut Findings) {
    if file.module() != Some("net") {
        find_words(file, &file.code, &["unsafe"], "belongs in src/net/", findings);
    }
}

/// An `expect` says why it holds.
fn check_unwrap(file: &File, findings: &mut Findings) {
    if !file.only_for_tests {
        find_words(file, &without_tests(&file.code), &["unwrap()"], "belongs in tests", findings);
    }
}

fn check_length(file: &File, findings: &mut Findings) {
    let most = if file.path == "src/main.rs" { MOST_LINES_OF_MAIN } else { MOST_LINES };
    let lines = file.text.lines().count();
    if file.is_code() && lines > most {
        findings.add(file, lines, &format!("{lines} lines, at most {most} are allowed"));
    }
}

/// `cargo fmt` leaves comments and strings as wide as they are.
fn check_columns(file: &File, findings: &mut Findings) {
    for (number, line) in file.text.lines().enumerate() {
        let columns = line.chars().count();
        if file.is_rust() && columns > MOST_COLUMNS {
            findings.add(file, number + 1, &format!("{columns} columns, at most {MOST_COLUMNS} are allowed"));
        }
    }
}

/// What is left to do is done, or said in the documentation; not promised in a comment.
fn check_promises(file: &File, findings: &mut Findings) {
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    find_words(file, &file.text, &words, "do it, or say in the documentation that it is missing", findings);
}

/// Nothing in the tree knows the machine it was written on: no home directories, no registry that served a package.
fn check_places(file: &File, findings: &mut Findings) {
    let words = [concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("\"res", "olved\"")];
    for (number, line) in file.text.lines().enumerate() {
        for word in words.iter().filter(|word| line.contains(**word)) {
            findings.add(file, number + 1, &format!("`{word}` names a place of one machine"));
        }
    }
}

/// The files that no chain of `mod` lines from `lib.rs` or `main.rs` reaches.
fn unreferenced(sources: &[File]) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()];
    while let Some(path) = open.pop() {
        let Some(file) = sources.iter().find(|file| file.path == path) else { continue };
        if reached.insert(path) {
            open.extend(modules_of(&file.code).iter().flat_map(|name| module_files(&file.path, name)));
        }
    }
    sources.iter().map(|file| file.path.clone()).filter(|path| !reached.contains(path)).collect()
}

fn rank_of(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// Each name behind `crate::`, in groups too, and its line. A module's root also reaches its neighbours by `super::`.
fn imports(file: &File) -> Vec<(usize, String)> {
    let is_root = file.path.matches('/').count() == 1 || file.path.ends_with("/mod.rs");
    let prefixes: &[&str] = if is_root { &["crate::", "super::"] } else { &["crate::", "super::super::"] };
    let mut found = Vec::new();
    for prefix in prefixes {
        for (at, _) in file.code.match_indices(prefix) {
            let line = line_of(&file.code, at);
            let path = &file.code[at + prefix.len()..];
            let names = if let Some(group) = path.strip_prefix('{') { first_names(group) } else { vec![ident(path)] };
            found.extend(names.into_iter().map(|name| (line, name.to_owned())));
        }
    }
    found
}

fn find_words(file: &File, text: &str, words: &[&str], complaint: &str, findings: &mut Findings) {
    for word in words {
        for (at, _) in text.match_indices(word) {
            let before = text[..at].chars().next_back().is_some_and(is_word);
            let after = text[at + word.len()..].chars().next().is_some_and(is_word);
            if !before && !after {
                findings.add(file, line_of(text, at), &format!("`{word}` {complaint}"));
            }
        }
    }
}

// ---- files -----------------------------------------------------------------------------------------

/// A file of the tree, its path from the root, and its text without comments and strings where it is Rust.
struct File {
    path: String,
    text: String,
    code: String,
    only_for_tests: bool,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let code = if path.rsplit('.').next() == Some("rs") { code_of(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code, only_for_tests: false }
    }

    fn is_rust(&self) -> bool {
        self.has_extension(&["rs"])
    }

    fn is_code(&self) -> bool {
        self.has_extension(&["rs", "mjs", "js", "py", "sh"])
    }

    fn has_extension(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| extensions.contains(&extension))
    }

    /// The top-level module that the file is part of.
    fn module(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let first = inside.split('/').next()?;
        Some(first.strip_suffix(".rs").unwrap_or(first))
    }
}

#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    fn add(&mut self, file: &File, line: usize, what: &str) {
        self.0.push(format!("{}:{line}: {what}", file.path));
    }

    fn assert_none(&self) {
        assert!(self.0.is_empty(), "\n{}\n", self.0.join("\n"));
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text files under a folder of the tree that people write.
fn files(folder: &str) -> Vec<File> {
    const FOREIGN: [&str; 7] = [".git", "target", "node_modules", ".venv", "data", "failures", "__pycache__"];
    const WRITTEN: [&str; 13] =
        ["rs", "md", "toml", "mjs", "js", "json", "py", "sh", "html", "css", "yml", "run", "txt"];
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read").map(|entry| entry.expect("and its entries"))
        {
            let path: PathBuf = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let extension = name.rsplit('.').next().unwrap_or_default();
            if path.is_dir() {
                if !FOREIGN.contains(&name.as_str()) {
                    open.push(path);
                }
            } else if WRITTEN.contains(&extension) || ["Makefile", "Dockerfile"].contains(&extension) {
                let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let inside = path.strip_prefix(root()).expect("it was found under the root");
                found.push(File::new(&inside.to_string_lossy(), &text));
            }
        }
    }
    mark_tests(&mut found);
    found
}

/// Marks the files behind `#[cfg(test)] mod name;`, and those that they name in turn.
fn mark_tests(files: &mut [File]) {
    let mut paths = BTreeSet::new();
    loop {
        let before = paths.len();
        for file in files.iter() {
            let is_test = paths.contains(&file.path);
            let always = if is_test { Vec::new() } else { modules_of(&without_tests(&file.code)) };
            let for_tests = modules_of(&file.code).into_iter().filter(|name| !always.contains(name));
            paths.extend(for_tests.flat_map(|name| module_files(&file.path, &name)));
        }
        if paths.len() == before {
            break;
        }
    }
    for file in files.iter_mut() {
        file.only_for_tests = paths.contains(&file.path);
    }
}

/// Where the text of `mod name;` in the file at `path` may be.
fn module_files(path: &str, name: &str) -> [String; 2] {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = match file {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => format!("{folder}/{}", file.trim_end_matches(".rs")),
    };
    [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]
}

// ---- dependencies ----------------------------------------------------------------------------------

/// The names in the manifest's dependency tables: the packages' own, where they are renamed.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) {
            let renamed = value.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            names.push(renamed.unwrap_or(name.trim()).to_owned());
        }
    }
    names
}

fn accounts_for(accounts: &str, name: &str) -> bool {
    accounts.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")))
}
