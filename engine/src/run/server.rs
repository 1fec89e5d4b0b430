//! The socket of a run: a greeting, the log from where a client wants it, progress, and replies to requests.
//!
//! Nothing is queued for a client. Log lines are read from the file, and of the progress only the latest is
//! sent. A client that does not read for a while is disconnected, and can connect again.

use std::{
    io::SeekFrom,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use relativenas_core::{
    manifest::files,
    protocol::{Answer, Command, Hello, REQUEST_LIMIT, Reply, Request},
};
use relativenas_run::{held::HeldRun, sessions::Did};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};

use super::{control::Control, log::Extent};

/// A client that reads nothing for this long is disconnected.
const PATIENCE: Duration = Duration::from_secs(10);

/// The greatest number of clients at a time; more are refused.
const CLIENTS: usize = 64;

/// What the task of every client shares.
pub struct Server {
    pub folder: Arc<HeldRun>,
    pub control: Arc<Control>,
    pub extent: watch::Receiver<Extent>,
    pub hello: Hello,
    pub clients: AtomicUsize,
}

/// Listens at a path to which only this user has access.
///
/// # Errors
/// If the path cannot be bound.
pub fn listen(path: &Path) -> std::io::Result<UnixListener> {
    let _ = std::fs::remove_file(path); // It is of an earlier try of this engine, whose token is in the path.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Server {
    /// Accepts clients until the engine ends.
    pub async fn serve(self: Arc<Self>, listener: UnixListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await; // No free file descriptor, for example.
                continue;
            };
            if self.clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS {
                self.clients.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                // An error with one client does not concern the others.
                let _ = server.client(stream).await;
                server.clients.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    async fn client(&self, stream: UnixStream) -> std::io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let hello = Hello { events: self.extent.borrow().events, ..self.hello.clone() };
        send(&mut writer, &Reply::Hello(hello)).await?;
        let (requests, mut inbox) = mpsc::channel(16);
        let reading = tokio::spawn(read_requests(reader, requests));
        let served = self.serve_client(&mut inbox, &mut writer).await;
        reading.abort();
        served
    }

    async fn serve_client(
        &self,
        inbox: &mut mpsc::Receiver<Request>,
        writer: &mut OwnedWriteHalf,
    ) -> std::io::Result<()> {
        let mut extent = self.extent.clone();
        let mut progress = self.control.progress();
        let mut following: Option<LogCopier> = None;
        progress.mark_changed();
        loop {
            if let Some(follower) = &mut following {
                let length = extent.borrow_and_update().length;
                follower.copy_up_to(length, writer).await?;
            }
            tokio::select! {
                request = inbox.recv() => match request {
                    None => return Ok(()),
                    Some(Request::Follow { from }) => {
                        following = Some(LogCopier::open(self.folder.folder.file(files::EVENTS), from).await?);
                        extent.mark_changed();
                    }
                    Some(Request::Steer { id, command }) => {
                        let refused = self.steer(&command).err();
                        send(writer, &Reply::Answer(Answer { id, refused })).await?;
                    }
                },
                changed = extent.changed() => if changed.is_err() && following.is_none() {
                    return Ok(());
                },
                changed = progress.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let now = progress.borrow_and_update().clone();
                    send(writer, &Reply::Progress(now)).await?;
                }
            }
        }
    }

    fn steer(&self, command: &Command) -> Result<(), String> {
        let outcome = self.control.steer(command);
        let command = command.clone();
        super::note(
            &self.folder,
            match &outcome {
                Ok(()) => Did::Steered(command),
                Err(why) => Did::Refused { command, why: why.clone() },
            },
        );
        outcome
    }
}

/// Reads requests until the client disconnects, or sends a line that is no request or has no end.
async fn read_requests(reader: OwnedReadHalf, requests: mpsc::Sender<Request>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        // Reading one byte more than allowed tells a line that is too long from one that just fits.
        let read = (&mut reader).take(REQUEST_LIMIT as u64 + 1).read_until(b'\n', &mut line).await;
        match read {
            Ok(1..) if line.len() <= REQUEST_LIMIT => {}
            _ => return,
        }
        let Ok(request) = serde_json::from_slice(&line) else {
            return;
        };
        if requests.send(request).await.is_err() {
            return;
        }
    }
}

/// Copies the log to a client.
struct LogCopier {
    file: File,
    at: u64,
}

impl LogCopier {
    /// Opens the log at event `from`, or at the end if there are fewer events.
    async fn open(path: PathBuf, from: u64) -> std::io::Result<Self> {
        let mut reader = BufReader::new(File::open(path).await?);
        let mut at = 0;
        let mut line = Vec::new();
        for _ in 0..from {
            line.clear();
            match reader.read_until(b'\n', &mut line).await? {
                0 => break,
                read => at += read as u64,
            }
        }
        let mut file = reader.into_inner();
        file.seek(SeekFrom::Start(at)).await?;
        Ok(Self { file, at })
    }

    async fn copy_up_to(&mut self, length: u64, writer: &mut OwnedWriteHalf) -> std::io::Result<()> {
        let mut buffer = vec![0; 1 << 16];
        while self.at < length {
            let wanted = buffer.len().min(usize::try_from(length - self.at).unwrap_or(usize::MAX));
            let read = self.file.read(&mut buffer[..wanted]).await?;
            if read == 0 {
                break;
            }
            write(writer, &buffer[..read]).await?;
            self.at += read as u64;
        }
        Ok(())
    }
}

async fn send(writer: &mut OwnedWriteHalf, reply: &Reply) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    write(writer, &line).await
}

async fn write(writer: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    timeout(PATIENCE, writer.write_all(bytes)).await?
}
