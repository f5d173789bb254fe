//! The library with ten thousand recordings: how long its questions take. `cargo bench --bench library`.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rillcast::id::RoomName;
use rillcast::record::RecordConfig;
use rillcast::record::library::query::Query;
use rillcast::record::library::{Change, Library};
use rillcast::record::name::RecordName;
use rillcast::record::sheet::{Marker, Sheet, State};

const RECORDINGS: u64 = 10_000;
const TIMES: usize = 21;
const EVERYBODY: Option<fn(&RoomName) -> bool> = None;

fn main() {
    // `cargo test --benches` runs it too: there a few are enough to see that it works.
    let many = std::env::args().any(|argument| argument == "--bench");
    let count = if many { RECORDINGS } else { 100 };
    let folder = std::env::temp_dir().join(format!("rillcast-bench-library-{}", std::process::id()));
    fill(&folder, count);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(&folder, count));
    let _ = fs::remove_dir_all(&folder);
}

/// Recordings of a hundred rooms, each with a sheet.
fn fill(folder: &Path, count: u64) {
    fs::create_dir_all(folder).expect("a folder");
    for number in 0..count {
        let file = format!("room-{}_av_{}.mp4", number % 100, 1_700_000_000 + number * 60);
        fs::write(folder.join(&file), b"video").expect("a file");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + number * 60);
        fs::File::options()
            .write(true)
            .open(folder.join(&file))
            .and_then(|file| file.set_modified(time))
            .expect("a time");
        let sheet = Sheet {
            state: State::Complete,
            title: format!("Evening {number}"),
            tags: vec!["concert".into(), format!("week{}", number % 52)],
            markers: vec![Marker { at: 1000, text: "encore".into() }],
            start: Some(time),
            end: Some(time + Duration::from_hours(1)),
            duration: Some(3_600_000),
            codecs: vec!["H264".into(), "opus".into()],
            client: Some("OBS Studio 32".into()),
            ..Sheet::default()
        };
        // Without the sync of `Sheet::write`: this is not what is measured.
        fs::write(folder.join(format!("{file}.json")), serde_json::to_vec(&sheet).expect("JSON")).expect("a sheet");
    }
}

async fn measure(folder: &Path, count: u64) {
    let config = RecordConfig { enabled: true, folder: folder.to_owned(), ..RecordConfig::default() };
    println!("{count} recordings, milliseconds");
    let began = Instant::now();
    let library = Library::open(&config, None).expect("a library");
    println!("{:<44} {:>8.1}", "start, index made from the folder", milliseconds(began));
    drop(library);
    let began = Instant::now();
    let library = Library::open(&config, None).expect("a library");
    println!("{:<44} {:>8.1}", "start, index there", milliseconds(began));
    println!("{:<44} {:>8} {:>8}", "", "median", "worst");
    let page = Some((1, 100));
    let room = RoomName::parse("room-7");
    let text = |text: &str| text.to_owned();
    let questions = [
        ("page of 100", Query { page, ..Query::default() }),
        ("last page", Query { page: Some((usize::try_from(count / 100).unwrap_or(1), 100)), ..Query::default() }),
        ("one room, page of 100", Query { page, room, ..Query::default() }),
        ("two words, page of 100", Query { page, text: text("week7 evening"), ..Query::default() }),
        ("a word that is nowhere", Query { page, text: text("nowhere"), ..Query::default() }),
        ("all of them", Query::default()),
    ];
    for (name, query) in questions {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            library.find(query.clone(), EVERYBODY).await.expect("an answer");
            times.push(milliseconds(began));
        }
        row(name, times);
    }
    let name = RecordName::parse("room-0_av_1700000000.mp4").expect("a name");
    let (mut changes, mut after) = (Vec::new(), Vec::new());
    for number in 0..TIMES {
        let change = Change { title: Some(format!("title {number}")), ..Change::default() };
        let began = Instant::now();
        library.change(&name, change).await.expect("an answer");
        changes.push(milliseconds(began));
        let began = Instant::now();
        library.find(Query { page, ..Query::default() }, EVERYBODY).await.expect("an answer");
        after.push(milliseconds(began));
    }
    row("change of a title", changes);
    row("page of 100 after it: the folder is read again", after);
}

fn row(name: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let worst = times.last().copied().unwrap_or_default();
    println!("{name:<44} {:>8.1} {worst:>8.1}", times[times.len() / 2]);
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
