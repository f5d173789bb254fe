//! Uploads to a store with faults: each file arrives once and whole, and nothing is deleted that was not compared.

use super::fake::{FakeS3, Fault};
use super::*;
use crate::record::RecordConfig;
use crate::record::library::testing::TestFolder;
use crate::record::sheet::Upload;

/// More than a piece, and not the same in each.
const LARGE: usize = 20 << 20;

struct Server {
    folder: TestFolder,
    library: Arc<Library>,
    bus: Arc<Bus>,
    config: UploadConfig,
}

fn content(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bytes.extend(state.to_be_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn name(text: &str) -> RecordName {
    RecordName::parse(text).unwrap()
}

fn bucket(store: &FakeS3) -> BucketConfig {
    BucketConfig {
        endpoint: store.url.clone(),
        root: None,
        region: "us-east-1".into(),
        bucket: "bucket".into(),
        access_key: Secret::new("access"),
        secret_key: Secret::new("swordfish"),
        path_style: true,
        prefix: "live/one".into(),
        presigned: None,
    }
}

impl Server {
    fn new(store: &FakeS3, delete_after: bool) -> Self {
        Self::to(TargetConfig::Bucket(Box::new(bucket(store))), delete_after)
    }

    fn to(target: TargetConfig, delete_after: bool) -> Self {
        let folder = TestFolder::new("upload");
        let bus = Arc::new(Bus::default());
        let record = RecordConfig { enabled: true, folder: folder.path.clone(), ..RecordConfig::default() };
        let library = Arc::new(Library::open(&record, Some(bus.clone())).unwrap());
        Self { folder, library, bus, config: UploadConfig { target, delete_after } }
    }

    fn file(&self, name: &str, content: &[u8]) {
        self.folder.file(name, content, Duration::from_mins(1));
    }

    fn start(&self) -> Arc<Uploader> {
        Uploader::start(&self.config, Folder::new(&self.folder.path), &self.library, &self.bus).unwrap()
    }

    async fn sheet(&self, of: &str) -> (State, Upload) {
        let recording = self.library.get(&name(of)).await.unwrap();
        (recording.state, recording.sheet.upload.unwrap_or_default())
    }

    async fn until(&self, of: &str, state: State) -> Upload {
        for _ in 0..600 {
            let (now, upload) = self.sheet(of).await;
            if now == state {
                return upload;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{of} is {:?}", self.sheet(of).await);
    }
}

fn key(name: &str) -> String {
    format!("/bucket/live/one/{name}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_arrives_with_its_sheet_and_stays_here() {
    let store = FakeS3::start().await;
    let server = Server::new(&store, false);
    let (small, large) = (content(1, 1000), content(2, LARGE));
    server.file("a_av_1.mp4", &small);
    server.file("b_av_2.mp4", &large);
    server.file("empty_av_3.mp4", b"");
    server.file("c_av_4.mp4.part", &small);
    Sheet { state: State::Recovered, title: "Encore".into(), ..Sheet::default() }
        .write(&server.folder.path, &name("b_av_2.mp4"))
        .unwrap();
    let mut news = server.bus.read();
    let uploader = server.start();
    for (of, content) in [("a_av_1.mp4", &small), ("b_av_2.mp4", &large), ("empty_av_3.mp4", &Vec::new())] {
        let upload = server.until(of, State::Uploaded).await;
        let url = format!("{}{}", store.url, key(of));
        assert_eq!((upload.url, upload.error, upload.tries, upload.next), (Some(url), None, 1, None), "{of}");
        assert_eq!(upload.size, Some(content.len() as u64), "{of}");
        let shelf = store.shelf();
        assert!(shelf.objects[&key(of)] == *content && shelf.arrivals[&key(of)] == 1, "{of}");
        let sheet: Sheet = serde_json::from_slice(&shelf.objects[&format!("{}.json", key(of))]).unwrap();
        assert_eq!(sheet.state, State::Uploaded);
    }
    assert_eq!(store.shelf().pieces.len(), 3);
    assert!(!store.shelf().objects.keys().any(|key| key.contains("c_av_4")), "it is being written");
    assert!(server.folder.path.join("b_av_2.mp4").exists());
    assert!(!server.folder.path.join(".library/uploads/b_av_2.mp4.json").exists());
    let mut told = 0;
    while let Some(Ok(notice)) = news.try_next() {
        told += u32::from(notice.what.name() == "record.uploaded");
    }
    assert_eq!((told, uploader.figures().files), (3, 3));
    // What is there is not sent again.
    drop(uploader);
    let _again = server.start();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(store.shelf().arrivals.values().all(|count| *count == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_is_outlived() {
    use Fault::{Cut, Lost, Slow, Status, Wrong};
    let faults: [&[Fault]; 9] = [
        &[Status(500); 7],
        &[Status(503), Status(500), Status(503), Status(500), Status(503)],
        &[Lost; 5],
        &[Cut; 6],
        &[Slow; 6],
        // Look, begin, three pieces, complete: one of them is taken wrongly, or its answer gets lost.
        &[Slow, Slow, Wrong],
        &[Slow, Slow, Slow, Lost, Slow, Slow],
        &[Slow, Slow, Slow, Slow, Slow, Lost],
        &[Slow, Slow, Slow, Slow, Slow, Cut],
    ];
    let large = content(3, LARGE);
    let tried = faults.map(|faults| {
        let large = large.clone();
        tokio::spawn(async move {
            let store = FakeS3::start().await;
            let server = Server::new(&store, true);
            server.file("b_av_2.mp4", &large);
            store.fail(faults);
            let _uploader = server.start();
            server.until("b_av_2.mp4", State::Deleted).await;
            assert_eq!(store.faults_left(), 0, "{faults:?}");
            let shelf = store.shelf();
            assert!(shelf.objects[&key("b_av_2.mp4")] == large, "{faults:?}");
            let times = if faults.contains(&Wrong) { 2 } else { 1 };
            assert_eq!(shelf.arrivals[&key("b_av_2.mp4")], times, "{faults:?}");
            assert!(!server.folder.path.join("b_av_2.mp4").exists(), "{faults:?}");
        })
    });
    for tried in tried {
        tried.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_unverified_is_deleted_and_no_secret_is_told() {
    for (status, reason) in [(403, "denied"), (404, "missing"), (500, "store")] {
        let store = FakeS3::start().await;
        let server = Server::new(&store, true);
        server.file("a_av_1.mp4", b"video");
        // The first look finds nothing there.
        let faults: Vec<Fault> = [Fault::Slow].into_iter().chain([Fault::Status(status); 3]).collect();
        store.fail(&faults);
        let mut news = server.bus.read();
        let uploader = server.start();
        let upload = server.until("a_av_1.mp4", State::Failed).await;
        assert!(server.folder.path.join("a_av_1.mp4").exists());
        let error = upload.error.unwrap();
        assert!(!error.contains("access") && !error.contains("swordfish") && upload.next.is_some(), "{error}");
        let Some(Ok(notice)) = news.try_next() else { panic!("nothing was told") };
        assert_eq!(notice.what, What::RecordUploadFailed { record: "a_av_1.mp4".into(), reason }, "{status}: {error}");
        assert!(uploader.figures().failures.contains(&(reason, 1)));
        // Now, and not when it would have been.
        store.fail(&[]);
        uploader.retry(&name("a_av_1.mp4")).await.unwrap();
        server.until("a_av_1.mp4", State::Deleted).await;
        assert_eq!(store.shelf().objects[&key("a_av_1.mp4")], b"video");
        assert!(matches!(uploader.retry(&name("a_av_1.mp4")).await, Err(RecordError::InUse)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_restart() {
    let store = FakeS3::start().await;
    let server = Server::new(&store, false);
    let large = content(4, LARGE);
    server.file("b_av_2.mp4", &large);
    // The third piece fails, three times.
    let faults: Vec<Fault> = [Fault::Slow; 4].into_iter().chain([Fault::Status(500); 3]).collect();
    store.fail(&faults);
    let uploader = server.start();
    server.until("b_av_2.mp4", State::Failed).await;
    drop(uploader);
    assert_eq!(store.shelf().pieces.len(), 2);
    // The index is lost, too: files are the queue.
    std::fs::remove_file(server.folder.path.join(".library/index.sqlite")).unwrap();
    let record = RecordConfig { enabled: true, folder: server.folder.path.clone(), ..RecordConfig::default() };
    let library = Arc::new(Library::open(&record, Some(server.bus.clone())).unwrap());
    let server = Server { library, ..server };
    let _uploader = server.start();
    let upload = server.until("b_av_2.mp4", State::Uploaded).await;
    assert_eq!(upload.tries, 2);
    assert_eq!(store.shelf().pieces.len(), 3, "two of them had arrived");
    assert!(store.shelf().objects[&key("b_av_2.mp4")] == large);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_forgets_gets_all_of_it_again() {
    let store = FakeS3::start().await;
    let server = Server::new(&store, false);
    let large = content(5, LARGE);
    server.file("b_av_2.mp4", &large);
    let faults: Vec<Fault> = [Fault::Slow; 4].into_iter().chain([Fault::Status(500); 3]).collect();
    store.fail(&faults);
    let _uploader = server.start();
    server.until("b_av_2.mp4", State::Failed).await;
    store.forget();
    server.until("b_av_2.mp4", State::Uploaded).await;
    assert!(store.shelf().objects[&key("b_av_2.mp4")] == large);
    assert_eq!(store.shelf().arrivals[&key("b_av_2.mp4")], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_or_unreadable_or_gone_or_changed_stays_as_it_is() {
    let store = FakeS3::start().await;
    let server = Server::new(&store, true);
    server.file("kept_av_1.mp4", b"video");
    Sheet { keep: true, ..Sheet::default() }.write(&server.folder.path, &name("kept_av_1.mp4")).unwrap();
    server.file("odd_av_2.mp4", b"video");
    server.file("odd_av_2.mp4.json", b"[]");
    server.file("done_av_3.mp4", b"video");
    Sheet { state: State::Uploaded, ..Sheet::default() }.write(&server.folder.path, &name("done_av_3.mp4")).unwrap();
    let uploader = server.start();
    server.until("kept_av_1.mp4", State::Uploaded).await;
    assert!(server.folder.path.join("kept_av_1.mp4").exists(), "it is to be kept");
    // It was marked and not deleted: nobody believes that without having looked.
    server.until("done_av_3.mp4", State::Deleted).await;
    assert_eq!(store.shelf().objects[&key("done_av_3.mp4")], b"video");
    assert!(server.folder.path.join("odd_av_2.mp4").exists());
    assert!(!store.shelf().objects.contains_key(&key("odd_av_2.mp4")));

    store.fail(&[Fault::Slow; 9]);
    server.file("gone_av_4.mp4", b"video");
    server.file("new_av_5.mp4", b"video");
    server.until("new_av_5.mp4", State::Uploading).await;
    server.file("new_av_5.mp4", b"other");
    server.until("gone_av_4.mp4", State::Uploading).await;
    std::fs::remove_file(server.folder.path.join("gone_av_4.mp4")).unwrap();
    server.until("new_av_5.mp4", State::Deleted).await;
    assert_eq!(store.shelf().objects[&key("new_av_5.mp4")], b"other", "what was there when it was compared");
    let counted = async {
        while !uploader.figures().failures.contains(&("file", 2)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(Duration::from_secs(10), counted).await.is_ok(), "{:?}", uploader.figures());
    assert!(!server.folder.path.join("gone_av_4.mp4").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_are_sent_at_a_time_until_the_last() {
    let store = FakeS3::start().await;
    let server = Server::new(&store, false);
    let names: Vec<String> = (1..=6).map(|number| format!("a_av_{number}.mp4")).collect();
    for name in &names {
        server.file(name, b"video");
    }
    store.fail(&[Fault::Slow; 100]);
    let _uploader = server.start();
    for name in &names {
        server.until(name, State::Uploaded).await;
    }
    let shelf = store.shelf();
    assert_eq!(shelf.requests, 30, "look, put, look, get, sheet");
    assert!(shelf.beside > 18, "{} of 30 beside another", shelf.beside);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_here_is_had_from_the_bucket() {
    let store = FakeS3::start().await;
    for place in [None, Some(store.url.clone()), Some("https://media.example".to_owned())] {
        let config = BucketConfig { presigned: place.clone(), ..bucket(&store) };
        let server = Server::to(TargetConfig::Bucket(Box::new(config)), true);
        let content = content(7, 1000);
        server.file("a_av_1.mp4", &content);
        let uploader = server.start();
        server.until("a_av_1.mp4", State::Deleted).await;
        let recording = server.library.get(&name("a_av_1.mp4")).await.unwrap();
        assert_eq!(recording.size, 1000, "what is elsewhere is as large as it was");
        assert!(recording.modified < now() - Duration::from_secs(50), "and as old");
        assert_eq!((uploader.gives(), uploader.origin()), (place.is_some(), place.as_deref()));
        let time = Duration::from_mins(10);
        let had = uploader.elsewhere(&name("a_av_1.mp4"), &Method::GET, true, time).await.unwrap();
        let Some(place) = place else {
            assert!(had.is_none());
            continue;
        };
        let Some(Elsewhere::Url(url)) = had else { panic!("no URL") };
        for part in [place.as_str(), &key("a_av_1.mp4"), "X-Amz-Expires=600", "X-Amz-Signature=", "attachment"] {
            assert!(url.contains(part), "{part}: {url}");
        }
        assert!(!url.contains("swordfish"), "{url}");
        assert!(matches!(
            uploader.elsewhere(&name("b_av_1.mp4"), &Method::GET, false, time).await,
            Err(RecordError::NotFound)
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_gets_what_a_bucket_gets() {
    let shelf = TestFolder::new("shelf");
    let server = Server::to(TargetConfig::Folder(shelf.path.clone()), true);
    let (small, large) = (content(1, 1000), content(2, LARGE));
    for (name, content) in [("a_av_1.mp4", &small), ("b_av_2.mp4", &large), ("empty_av_3.mp4", &Vec::new())] {
        server.file(name, content);
    }
    // The server ended in the middle of one, and somebody has put something else where the other one goes.
    shelf.file(".b_av_2.mp4.arriving", &large[..9 << 20], Duration::ZERO);
    shelf.file("a_av_1.mp4", &large[..1000], Duration::ZERO);
    let uploader = server.start();
    for (of, content) in [("a_av_1.mp4", &small), ("b_av_2.mp4", &large), ("empty_av_3.mp4", &Vec::new())] {
        let upload = server.until(of, State::Deleted).await;
        assert!(std::fs::read(shelf.path.join(of)).unwrap() == *content, "{of}");
        assert_eq!(upload.url, Some(shelf.path.join(of).display().to_string()));
        assert!(!server.folder.path.join(of).exists(), "{of}");
        let Ok(Some(Elsewhere::Folder(folder))) =
            uploader.elsewhere(&name(of), &Method::GET, false, Duration::from_secs(1)).await
        else {
            panic!("{of} is nowhere")
        };
        assert_eq!(folder.open(&name(of)).unwrap().1.len(), content.len() as u64);
        let sheet: Sheet =
            serde_json::from_slice(&std::fs::read(shelf.path.join(format!("{of}.json"))).unwrap()).unwrap();
        assert_eq!(sheet.state, State::Uploaded);
    }
    let sent = uploader.figures().bytes;
    assert_eq!(sent, 1000 + (12 << 20), "the first piece of the large one was there");
    let hidden = std::fs::read_dir(&shelf.path).unwrap().filter_map(Result::ok);
    assert_eq!(hidden.filter(|entry| entry.file_name().to_string_lossy().starts_with('.')).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_takes_nothing_costs_nothing() {
    let shelf = TestFolder::new("shelf-gone");
    let server = Server::to(TargetConfig::Folder(shelf.path.clone()), true);
    let uploader = server.start();
    std::fs::remove_dir_all(&shelf.path).unwrap();
    server.file("a_av_1.mp4", b"video");
    let upload = server.until("a_av_1.mp4", State::Failed).await;
    assert!(upload.error.is_some_and(|error| error.contains("folder")) && upload.next.is_some());
    assert!(uploader.figures().failures.contains(&("missing", 1)));
    assert!(server.folder.path.join("a_av_1.mp4").exists() && !shelf.path.exists());
    // What had arrived of something else is found to differ, and sent from its beginning.
    std::fs::create_dir(&shelf.path).unwrap();
    shelf.file(".a_av_1.mp4.arriving", b"other", Duration::ZERO);
    uploader.retry(&name("a_av_1.mp4")).await.unwrap();
    server.until("a_av_1.mp4", State::Deleted).await;
    assert_eq!(std::fs::read(shelf.path.join("a_av_1.mp4")).unwrap(), b"video");
    for bad in [server.folder.path.clone(), shelf.path.join("none"), shelf.path.join("a_av_1.mp4")] {
        let config = UploadConfig { target: TargetConfig::Folder(bad.clone()), delete_after: false };
        let folder = Folder::new(&server.folder.path);
        assert!(Uploader::start(&config, folder, &server.library, &server.bus).is_err(), "{}", bad.display());
    }
}

#[test]
fn waits_grow_and_differ() {
    for (tries, jitter, seconds) in
        [(1, 0.0, 1.0), (1, 1.0, 2.0), (2, 1.0, 4.0), (5, 1.0, 32.0), (20, 1.0, 900.0), (u32::MAX, 0.0, 450.0)]
    {
        assert!((wait(tries, jitter).as_secs_f64() - seconds).abs() < 1e-9, "{tries}");
    }
}
