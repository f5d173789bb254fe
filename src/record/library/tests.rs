//! The library over real folders.

use std::collections::BTreeSet;
use std::fs;

use super::testing::TestFolder;
use super::*;
use crate::notify::bus::Bus;
use crate::record::parse_time;
use crate::record::sheet::{Beside, Gap, Upload};

const EVERYBODY: Option<fn(&RoomName) -> bool> = None;

fn config(folder: &TestFolder) -> RecordConfig {
    RecordConfig { enabled: true, folder: folder.path.clone(), ..RecordConfig::default() }
}

fn open(folder: &TestFolder) -> Library {
    Library::open(&config(folder), None).unwrap()
}

fn name(text: &str) -> RecordName {
    RecordName::parse(text).unwrap()
}

fn sheet(folder: &TestFolder, of: &str, sheet: &Sheet) {
    sheet.write(&folder.path, &name(of)).unwrap();
}

async fn all(library: &Library) -> Vec<Recording> {
    library.find(Query::default(), EVERYBODY).await.unwrap().recordings
}

async fn found(library: &Library, query: Query) -> Vec<String> {
    let page = library.find(query, EVERYBODY).await.unwrap();
    page.recordings.into_iter().map(|recording| recording.name.to_string()).collect()
}

/// Recordings with everything that can be known of them.
fn fill(folder: &TestFolder) {
    for (at, of) in ["a_av_100.mp4", "a_av_200.webm", "b_av_300.mp4", "c_av_400.mp4", "d_av_500.mp4"].iter().enumerate()
    {
        folder.file(of, &vec![b'x'; 100 * (at + 1)], Duration::from_secs(1000 - 100 * at as u64));
    }
    let full = Sheet {
        state: State::Uploaded,
        title: "Opening Night".into(),
        tags: vec!["concert".into(), "100%".into()],
        markers: vec![Marker { at: 5, text: "Encore".into() }],
        keep: true,
        start: parse_time("2026-01-31T10:00:00Z"),
        end: parse_time("2026-01-31T11:00:00Z"),
        duration: Some(3_600_000),
        codecs: vec!["H264".into(), "opus".into()],
        gaps: vec![Gap { at: 1, length: 2 }],
        client: Some("OBS/32".into()),
        upload: Some(Upload { url: Some("s3://b/k".into()), tries: 2, ..Upload::default() }),
        ..Sheet::default()
    };
    sheet(folder, "a_av_100.mp4", &full);
    sheet(folder, "b_av_300.mp4", &Sheet { state: State::Recovered, ..Sheet::default() });
    sheet(folder, "c_av_400.mp4", &Sheet { state: State::Failed, title: "gone".into(), ..Sheet::default() });
    folder.file("d_av_500.mp4.json", b"not ours", Duration::ZERO);
    // Being recorded; not here any more; nothing but an old sheet.
    folder.file("e_av_600.mp4.part", b"12345", Duration::ZERO);
    sheet(folder, "e_av_600.mp4", &Sheet { state: State::Recording, ..Sheet::default() });
    sheet(folder, "f_av_700.mp4", &Sheet { state: State::Deleted, ..Sheet::default() });
    sheet(folder, "g_av_800.mp4", &Sheet { state: State::Complete, ..Sheet::default() });
}

#[tokio::test]
async fn an_index_made_anew_from_the_folder_is_the_same() {
    let folder = TestFolder::new("rebuild");
    let library = open(&folder);
    fill(&folder);
    library.change(&name("a_av_200.webm"), Change { title: Some("two".into()), ..Change::default() }).await.unwrap();
    library.mark(&name("b_av_300.mp4"), Some(7), "here".into()).await.unwrap();
    library.mark(&name("e_av_600.mp4"), Some(9), "live".into()).await.unwrap();
    library.delete(&name("c_av_400.mp4")).await.unwrap();
    let mut before = Vec::new();
    for state in [None, Some(State::Recording), Some(State::Deleted)] {
        let page = library.find(Query { state, ..Query::default() }, EVERYBODY).await.unwrap();
        before.push(page);
    }
    assert_eq!(before.iter().map(|page| page.total).collect::<Vec<_>>(), [4, 1, 1]);
    assert_eq!(before[1].recordings[0].size, 5);
    drop(library);
    for damage in ["kept", "deleted", "junk", "newer"] {
        let index = folder.path.join(".library");
        match damage {
            "deleted" => fs::remove_dir_all(&index).unwrap(),
            "junk" => fs::write(index.join("index.sqlite"), b"SQLite format 3\0junk").unwrap(),
            "newer" => {
                let db = rusqlite::Connection::open(index.join("index.sqlite")).unwrap();
                db.execute_batch("DROP TABLE recordings; PRAGMA user_version = 99").unwrap();
            }
            _ => {}
        }
        let library = open(&folder);
        for (state, before) in [None, Some(State::Recording), Some(State::Deleted)].into_iter().zip(&before) {
            let after = library.find(Query { state, ..Query::default() }, EVERYBODY).await.unwrap();
            assert_eq!(after, *before, "{damage}");
        }
    }
}

#[tokio::test]
async fn what_happens_to_the_folder_is_seen() {
    let folder = TestFolder::new("follow");
    let library = open(&folder);
    assert!(all(&library).await.is_empty());
    folder.file("a_av_1.mp4", b"1", Duration::from_secs(3));
    assert_eq!(found(&library, Query::default()).await, ["a_av_1.mp4"]);
    folder.file("b_av_2.mp4.part", b"12", Duration::ZERO);
    let growing = Query { state: Some(State::Recording), ..Query::default() };
    let size = async |library: &Library| library.find(growing.clone(), EVERYBODY).await.unwrap().recordings[0].size;
    assert_eq!(size(&library).await, 2);
    tokio::time::sleep(limits::RECORD_FOLDER_STEP * 2).await;
    assert_eq!(size(&library).await, 2);
    // It grows, and the folder itself does not change by that.
    folder.file("b_av_2.mp4.part", b"12345", Duration::ZERO);
    assert_eq!(size(&library).await, 5);
    fs::rename(folder.path.join("b_av_2.mp4.part"), folder.path.join("b_av_2.mp4")).unwrap();
    assert_eq!(found(&library, Query::default()).await, ["b_av_2.mp4", "a_av_1.mp4"]);
    fs::remove_file(folder.path.join("a_av_1.mp4")).unwrap();
    assert_eq!(found(&library, Query::default()).await, ["b_av_2.mp4"]);
    let sheet = Sheet { title: "by hand".into(), ..Sheet::default() };
    sheet.write(&folder.path, &name("b_av_2.mp4")).unwrap();
    assert_eq!(all(&library).await[0].sheet.title, "by hand");
    // Only its sheet is left: of a recording that is gone.
    fs::remove_file(folder.path.join("b_av_2.mp4")).unwrap();
    assert!(all(&library).await.is_empty());
    folder.file("b_av_2.mp4", b"12345", Duration::ZERO);
    assert_eq!(all(&library).await[0].sheet.title, "by hand");
    fs::remove_dir_all(&folder.path).unwrap();
    assert!(all(&library).await.is_empty());
}

#[tokio::test]
async fn found_by_room_time_words_and_page() {
    let folder = TestFolder::new("find");
    fill(&folder);
    let library = open(&folder);
    let text = |text: &str| Query { text: text.into(), ..Query::default() };
    let time = |from: &str, to: &str| Query { from: parse_time(from), to: parse_time(to), ..Query::default() };
    let page = |page| Query { page: Some(page), ..Query::default() };
    let of = |state| Query { state: Some(state), ..Query::default() };
    let room = Query { room: RoomName::parse("a"), ..Query::default() };
    let (a1, a2, b, c, d) = ("a_av_100.mp4", "a_av_200.webm", "b_av_300.mp4", "c_av_400.mp4", "d_av_500.mp4");
    let table: [(Query, &[&str]); 21] = [
        (Query::default(), &[d, c, b, a2, a1]),
        (room.clone(), &[a2, a1]),
        (Query { text: "night".into(), ..room }, &[a1]),
        (text("NIGHT opening"), &[a1]),
        (text("night closing"), &[]),
        (text("encore"), &[a1]),
        (text("100%"), &[a1]),
        (text("10_%"), &[]),
        (text("%"), &[a1]),
        (text("_"), &[d, c, b, a2, a1]),
        (text("\\"), &[]),
        (text("'; DROP TABLE recordings; --"), &[]),
        (text("webm"), &[a2]),
        (time("2026-01-31", "2026-02-01"), &[a1]),
        (time("2026-02-01", "2027-01-01"), &[]),
        (time("1970-01-01T00:05:00Z", "1970-01-01T00:06:40Z"), &[b]),
        (page((1, 2)), &[d, c]),
        (page((3, 2)), &[a1]),
        (page((4, 2)), &[]),
        (page((usize::MAX, usize::MAX)), &[]),
        (of(State::Recovered), &[b]),
    ];
    for (query, expected) in table {
        assert_eq!(found(&library, query.clone()).await, expected, "{query:?}");
    }
    let some = library.find(page((2, 2)), EVERYBODY).await.unwrap();
    assert_eq!((some.total, some.recordings.len()), (5, 2));
    // A page is one of those that may be seen.
    let may = |room: &RoomName| room.as_str() < "c";
    let some = library.find(page((1, 2)), Some(may)).await.unwrap();
    let names: Vec<_> = some.recordings.iter().map(|recording| recording.name.as_str()).collect();
    assert_eq!((some.total, names), (3, vec![b, a2]));
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_and_what_is_not_ours_not_changed() {
    let folder = TestFolder::new("delete");
    fill(&folder);
    sheet(&folder, "b_av_300.mp4", &Sheet { state: State::Uploading, ..Sheet::default() });
    folder.file("c_av_400.mp4.part", b"again", Duration::ZERO);
    let library = open(&folder);
    let hold = library.hold(&name("a_av_200.webm")).unwrap().expect("nobody else does");
    assert!(library.hold(&name("a_av_200.webm")).unwrap().is_none());
    for of in ["a_av_200.webm", "b_av_300.mp4", "c_av_400.mp4", "e_av_600.mp4"] {
        assert!(matches!(library.delete(&name(of)).await, Err(RecordError::InUse)), "{of}");
        assert!(folder.path.join(of).exists() || folder.path.join(format!("{of}.part")).exists());
    }
    assert!(matches!(library.delete(&name("x_av_1.mp4")).await, Err(RecordError::NotFound)));
    let unreadable = library.change(&name("d_av_500.mp4"), Change { keep: Some(true), ..Change::default() }).await;
    assert!(matches!(unreadable, Err(RecordError::Unreadable)));
    assert_eq!(fs::read(folder.path.join("d_av_500.mp4.json")).unwrap(), b"not ours");
    drop(hold);
    for of in ["a_av_200.webm", "a_av_100.mp4", "d_av_500.mp4"] {
        library.delete(&name(of)).await.unwrap();
        assert!(!folder.path.join(of).exists());
        assert_eq!(Sheet::read(&folder.path, &name(of)).unwrap(), Beside::Nothing, "{of}");
    }
    assert_eq!(found(&library, Query::default()).await, ["c_av_400.mp4", "b_av_300.mp4"]);
}

#[tokio::test]
async fn markers_have_a_bound_and_are_in_order() {
    let folder = TestFolder::new("markers");
    folder.file("a_av_1.mp4", b"x", Duration::ZERO);
    let library = open(&folder);
    for at in (0..limits::RECORD_MARKERS as u64).rev() {
        library.mark(&name("a_av_1.mp4"), Some(at), "x".repeat(limits::RECORD_MARKER_BYTES)).await.unwrap();
    }
    assert!(matches!(library.mark(&name("a_av_1.mp4"), Some(1), "x".into()).await, Err(RecordError::Full)));
    let markers = all(&library).await.remove(0).sheet.markers;
    assert!(markers.is_sorted() && markers.len() == limits::RECORD_MARKERS);
    // Of what is being recorded: now.
    folder.file("b_av_2.mp4.part", b"x", Duration::ZERO);
    let start = Some(now() - Duration::from_mins(1));
    sheet(&folder, "b_av_2.mp4", &Sheet { start, ..Sheet::default() });
    let at = library.mark(&name("b_av_2.mp4"), None, "goal".into()).await.unwrap().sheet.markers[0].at;
    assert!((60_000..90_000).contains(&at), "{at}");
}

/// A generator of its own (xorshift64): the same folders each time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Whatever the folder and the rules: nothing goes that is recorded, uploaded or to be kept, and what goes is what the
/// dry run said, all of it, and told.
#[tokio::test]
async fn no_rule_deletes_what_is_in_use_or_kept_and_the_dry_run_is_what_is_done() {
    let mut deleted = 0;
    for seed in 1..=150 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let folder = TestFolder::new("property");
        let mut protected = BTreeSet::new();
        for number in 0..random.below(20) {
            let room = ["a", "b", "c_d"][usize::try_from(random.below(3)).unwrap()];
            let of = format!("{room}_av_{number}.mp4");
            let busy = random.below(4);
            let state = [State::Complete, State::Uploaded, State::Uploading, State::Failed, State::Recovered];
            let state = state[usize::try_from(random.below(5)).unwrap()];
            let keep = random.below(4) == 0;
            let file = if busy == 0 { format!("{of}.part") } else { of.clone() };
            folder.file(&file, &vec![b'x'; random.below(1000) as usize], Duration::from_hours(random.below(200)));
            match random.below(8) {
                0 => {
                    folder.file(&format!("{of}.json"), b"{", Duration::ZERO);
                    protected.insert(file);
                }
                1 if busy > 0 => {}
                _ => {
                    sheet(&folder, &of, &Sheet { state, keep, ..Sheet::default() });
                    if busy == 0 || keep || state == State::Uploading {
                        protected.insert(file);
                    }
                }
            }
        }
        let some = |random: &mut Random, bound: u64| Some(random.below(bound)).filter(|_| random.0.is_multiple_of(2));
        let retention = Rules {
            age: some(&mut random, 200).map(Duration::from_hours),
            total: some(&mut random, 5000),
            per_room: some(&mut random, 5).map(|most| usize::try_from(most).unwrap()),
            uploaded_only: random.below(3) == 0,
        };
        let bus = Arc::new(Bus::new());
        let mut reader = bus.read();
        let config = RecordConfig { retention, ..config(&folder) };
        let library = Library::open(&config, Some(bus)).unwrap();
        let held = all(&library).await.first().map(|recording| recording.name.clone());
        let hold = held.as_ref().map(|name| library.hold(name).unwrap().unwrap());
        protected.extend(held.iter().map(ToString::to_string));
        let before = names(&folder);
        let planned: Vec<RecordName> = library.plan().await.unwrap().0.into_iter().map(|doomed| doomed.name).collect();
        let done: Vec<RecordName> = library.sweep().await.unwrap().into_iter().map(|doomed| doomed.name).collect();
        assert_eq!(planned, done, "{seed}: {retention:?}");
        let gone: BTreeSet<String> = before.difference(&names(&folder)).cloned().collect();
        assert_eq!(gone, done.iter().map(ToString::to_string).collect(), "{seed}");
        assert!(gone.is_disjoint(&protected), "{seed}: {gone:?} {protected:?}");
        for name in &done {
            let Some(Ok(notice)) = reader.try_next() else { panic!("{seed}: {name} was not told") };
            assert!(matches!(&notice.what, What::RecordDeleted { record, .. } if **record == *name.as_str()));
        }
        assert!(library.plan().await.unwrap().0.is_empty(), "{seed}: nothing is left to do");
        deleted += done.len();
        drop(hold);
    }
    assert!(deleted > 100, "{deleted} were deleted: the rules were not tried");
}

/// Media files, those being written too.
fn names(folder: &TestFolder) -> BTreeSet<String> {
    let entries = fs::read_dir(&folder.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| [".mp4", ".part"].iter().any(|end| name.ends_with(end))).collect()
}
