//! `rillcast demo`: a server, and something to see on it.

use std::time::Duration;

use crate::app::App;
use crate::cli::offerer::{block_on, failure_of};
use crate::cli::serve::{self, stop_signal};
use crate::cli::{Failure, publish};
use crate::client::{ClientError, LinkOptions, Source};
use crate::telemetry::log;

/// The room of the demo.
const ROOM: &str = "demo";
/// A source that lost its connection comes back after this.
const PAUSE: Duration = Duration::from_secs(1);

/// Run the server, and publish a clip to it
///
/// The quickest way to see something: the built-in clip is published in the room `demo`, over and over. Flags and
/// environment are those of `rillcast serve`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Args {
    #[command(flatten)]
    serve: serve::Args,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let config = args.serve.config()?;
    log::start(&config.log);
    block_on(async {
        let stop = stop_signal().map_err(Failure::failed)?;
        let token = config.auth.token.as_ref().map(|token| token.expose().to_owned());
        let mut running = App::start(config).await.map_err(Failure::failed)?;
        let port = running.http_addr.port();
        let endpoint = format!("http://127.0.0.1:{port}/whip/{ROOM}");
        println!("Rillcast is ready: open http://localhost:{port}/watch/{ROOM} in a browser");
        let result = tokio::select! {
            () = stop => Ok(()),
            failure = running.failed() => Err(Failure::Failed(failure)),
            error = source(&endpoint, token) => Err(failure_of(&error)),
        };
        running.shutdown().await;
        result
    })
}

/// Publishes the built-in clip over and over. A connection that is lost is made again; what the server refuses ends it.
pub(super) async fn source(url: &str, token: Option<String>) -> ClientError {
    let source = Source::demo();
    let options = LinkOptions { token, ..LinkOptions::default() };
    loop {
        match source.connect(url, &options).await {
            Ok(mut publisher) => {
                // Ends only with the connection.
                let _ = publish::send(&mut publisher, &source, None, std::future::pending()).await;
            }
            Err(error @ ClientError::Refused { retry_after: None, .. }) => return error,
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}
