//! The life of one transfer on the server: open the data connection, move the payload, say how it ended.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWriteExt};
use wharf_findings::Cause;
use wharf_net::control::PeerWatch;
use wharf_net::dtp::{ConnectError, Progress, PumpError, Throttle, Transfer};
use wharf_net::tls::{Secured, TlsVersion};
use wharf_proto::dialogue::{Authenticated, DataEvent, DataMode};
use wharf_proto::pathname::escaped;
use wharf_proto::{Reply, Verb};
use wharf_storage::{Source, SourceKind, StorageError, StoragePath, Upload, UploadKind};

use crate::auth::Identity;
use crate::data::{Negotiated, NotConnected, Opening};
use crate::generation::Shared;
use crate::metrics::TransferOutcome;
use crate::replies;
use crate::takeover::{Claim, Place};
use crate::tls::{Protection, TlsFailure};
use crate::uploads::{Completion, Target, Withheld};

/// A transfer that runs beside the control connection.
pub(crate) struct Running {
    /// What it does.
    pub verb: Verb,
    /// How far it has come.
    pub progress: Arc<Progress>,
    /// The client's end of the control connection, where it is watched.
    pub control: Option<Arc<PeerWatch>>,
    /// Dropping it cuts the transfer.
    pub work: Pin<Box<dyn Future<Output = Ended> + Send>>,
}

/// How a transfer ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What the client is told.
    pub reply: Reply,
    /// What was seen of the data connection, in order.
    pub seen: Vec<DataEvent>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("verb", &self.verb).finish_non_exhaustive()
    }
}

/// What every transfer needs.
#[derive(Debug)]
pub(crate) struct Task {
    pub verb: Verb,
    pub path: StoragePath,
    pub shared: Arc<Shared>,
    pub negotiated: Negotiated,
    /// TLS on the data connection.
    pub protection: Option<Protection>,
    pub opening: Opening,
    pub authenticated: Authenticated,
    pub ascii: bool,
    pub identity: Identity,
    /// The user's limit of speed in this direction.
    pub throttle: Option<Arc<Throttle>>,
    /// The size that ALLO told, in bytes; 0 where it told none.
    pub announced: u64,
    /// The client's end of the control connection, where an upload is worth nothing without it.
    pub control: Option<Arc<PeerWatch>>,
    /// The name of an upload that its user can take over.
    pub place: Option<Place>,
}

/// What is moved.
pub(crate) enum Payload {
    /// A file to the client.
    Source(Source),
    /// A file from the client.
    Upload(Upload),
    /// A listing to the client.
    Listing(crate::listing::ListingWriter),
}

/// Why a transfer failed after its 1yz.
enum Failure {
    Connect(NotConnected),
    Tls(TlsFailure),
    Pump(PumpError),
    Storage(StorageError),
    /// All data came, and are not taken for the whole.
    Withheld(Withheld),
    /// The same user began the upload anew.
    TakenOver,
}

impl Failure {
    fn possible_cause(&self) -> Option<Cause> {
        match self {
            Self::Connect(missed) => missed.possible_cause(),
            Self::Tls(failure) => failure.cause(),
            Self::Pump(PumpError::CloseNotifyMissing) => Some(Cause::MissingCloseNotify),
            Self::Pump(PumpError::Network(_) | PumpError::Stalled) => Some(Cause::TransferCut),
            Self::Withheld(Withheld::Shorter { is_plain: true, .. }) => Some(Cause::MissingCloseNotify),
            Self::Withheld(_) | Self::TakenOver => Some(Cause::TransferCut),
            Self::Pump(PumpError::Local(_)) | Self::Storage(_) => None,
        }
    }
}

impl Failure {
    /// Where a data connection did not come up.
    fn endpoint(&self) -> Option<SocketAddr> {
        match self {
            Self::Connect(missed) => missed.endpoint(),
            _ => None,
        }
    }
}

impl From<PumpError> for Failure {
    fn from(error: PumpError) -> Self {
        let PumpError::Local(error) = error else { return Self::Pump(error) };
        // What a file's owner said went through the pump as any other error does.
        match error.downcast::<Withheld>() {
            Ok(reason) => Self::Withheld(reason),
            Err(error) => match error.downcast::<StorageError>() {
                Ok(error) => Self::Storage(error),
                Err(error) => Self::Pump(PumpError::Local(error)),
            },
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Task {
    /// The transfer as a future of its own, not yet begun.
    pub(crate) fn start(self, payload: Payload) -> Running {
        let progress = Arc::new(match &self.throttle {
            Some(throttle) => Progress::limited(throttle.clone()),
            None => Progress::default(),
        });
        let (verb, control) = (self.verb, self.control.clone());
        let uploading = &self.shared.common.uploading;
        let claim = self.place.clone().map(|place| uploading.note(place, progress.clone()));
        Running {
            verb,
            progress: progress.clone(),
            control,
            work: Box::pin(self.run(payload, progress, claim)),
        }
    }

    async fn run(self, payload: Payload, progress: Arc<Progress>, claim: Option<Claim>) -> Ended {
        // Goes last, when the file is let go.
        let mut claim = claim;
        let Self {
            verb,
            path,
            shared,
            negotiated,
            protection,
            opening,
            authenticated,
            ascii,
            identity,
            announced,
            control,
            ..
        } = self;
        let mut account = Account {
            verb,
            path,
            shared: shared.clone(),
            opening,
            ascii,
            identity,
            progress: progress.clone(),
            begun: Instant::now(),
            mode: negotiated.mode(),
            awaited: negotiated.expected(),
            endpoint: None,
            secured: None,
            is_closed: false,
        };
        let opened_by = negotiated.opener();
        let mut seen = Vec::new();
        let work = async {
            let (mut stream, peer) = negotiated.open(opening, &shared).await.map_err(Failure::Connect)?;
            account.awaited = None;
            account.endpoint = Some(stream.peer());
            let (server, client) = (stream.local(), stream.peer());
            seen.push(DataEvent::Opened { by: opened_by, client, server });
            if let Some(protection) = &protection {
                account.secured = Some(protection.secure(&mut stream).await.map_err(Failure::Tls)?);
            }
            let transfer = Transfer::open(stream, authenticated, peer, progress.clone());
            let has_proof = protection.as_ref().is_some_and(|protection| !protection.tolerates_plain_end());
            let begun = Instant::now();
            let completion = Completion { begun, has_proof, announced, offset: 0, protection, control };
            move_payload(transfer, payload, ascii, completion).await
        };
        let result = match &mut claim {
            Some(claim) => tokio::select! {
                biased;
                () = claim.is_taken() => Err(Failure::TakenOver),
                result = work => result,
            },
            None => work.await,
        };
        if result.is_err() {
            // A command behind the reply meets a file that nobody writes any more.
            progress.at_rest().await;
        }
        let bytes = progress.bytes();
        let reply = match &result {
            Ok(()) if verb.role() == wharf_proto::verb::Role::Listing => replies::listing_complete(),
            Ok(()) => replies::transfer_complete(),
            Err(Failure::Connect(error)) => replies::cannot_connect(error),
            Err(Failure::Tls(failure)) => replies::tls_failure(failure),
            Err(Failure::Pump(error)) => replies::broken(error),
            Err(Failure::Storage(error)) => replies::storage(error),
            Err(Failure::Withheld(reason)) => replies::withheld(reason),
            Err(Failure::TakenOver) => replies::taken_over(),
        };
        match &result {
            Ok(()) => account.complete(),
            Err(failure) => account.failed(&reply, failure),
        }
        seen.push(DataEvent::Progress { bytes });
        seen.push(match &result {
            Ok(()) => DataEvent::Closed,
            Err(Failure::Connect(NotConnected { error: ConnectError::Refused { .. }, .. })) => {
                DataEvent::Refused
            }
            Err(Failure::Connect(_)) => DataEvent::Unanswered,
            Err(Failure::Withheld(_)) => DataEvent::Closed,
            Err(_) => DataEvent::Cut,
        });
        Ended { reply, seen }
    }
}

/// The transfer's entry in the logs. One that was cut (ABOR, a client that went away, the server's end) never comes to
/// its own end, so that dropping writes it too.
struct Account {
    verb: Verb,
    path: StoragePath,
    shared: Arc<Shared>,
    opening: Opening,
    ascii: bool,
    identity: Identity,
    progress: Arc<Progress>,
    begun: Instant,
    /// Active or passive.
    mode: DataMode,
    /// Where the data connection is still waited for, and what probably keeps it away.
    awaited: Option<(SocketAddr, Cause)>,
    /// The other end of the data connection, once it is up.
    endpoint: Option<SocketAddr>,
    /// What TLS agreed on.
    secured: Option<Secured>,
    is_closed: bool,
}

impl Account {
    fn complete(mut self) {
        let millis = self.millis();
        tracing::info!(
            session = self.opening.session, verb = %self.verb, path = %escaped(self.path.as_bytes()),
            bytes = self.progress.bytes(), millis, tls = self.tls(), resumed = self.resumed(),
            user = %self.user(), client = %self.opening.client, mode = self.mode_name(),
            endpoint = self.endpoint.map(tracing::field::display), "transfer complete"
        );
        self.close(TransferOutcome::Complete);
    }

    fn failed(mut self, reply: &Reply, failure: &Failure) {
        let possible_cause = failure.possible_cause().map(Cause::id);
        let endpoint = failure.endpoint().or(self.endpoint).map(tracing::field::display);
        tracing::warn!(
            session = self.opening.session, verb = %self.verb, path = %escaped(self.path.as_bytes()),
            bytes = self.progress.bytes(), client = %self.opening.client, endpoint, reply = %reply,
            tls = self.tls(), resumed = self.resumed(), possible_cause,
            user = %self.user(), mode = self.mode_name(), millis = self.millis(), "transfer failed"
        );
        if let Some(cause) = failure.possible_cause() {
            self.shared.common.metrics.cause(cause);
        }
        self.close(TransferOutcome::Failed);
    }

    /// The version of TLS, where there is any.
    fn tls(&self) -> Option<tracing::field::DisplayValue<TlsVersion>> {
        self.secured.map(|secured| tracing::field::display(secured.version))
    }

    fn resumed(&self) -> Option<bool> {
        self.secured.map(|secured| secured.is_resumed)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The user's name as logs show it.
    fn user(&self) -> impl std::fmt::Display {
        escaped(self.identity.name())
    }

    fn mode_name(&self) -> &'static str {
        match self.mode {
            DataMode::Active => "active",
            DataMode::Passive => "passive",
        }
    }

    fn close(&mut self, outcome: TransferOutcome) {
        self.is_closed = true;
        let common = &self.shared.common;
        common.metrics.transfer(self.mode, self.verb.role(), outcome, self.progress.bytes());
        let Some(log) = &common.transfer_log else { return };
        log.write(&crate::transfer_log::Record {
            verb: self.verb,
            path: &self.path,
            bytes: self.progress.bytes(),
            ascii: self.ascii,
            identity: &self.identity,
            client: self.opening.client,
            seconds: self.begun.elapsed().as_secs(),
            complete: outcome == TransferOutcome::Complete,
        });
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        match self.awaited {
            // A client that gives up before our deadline leaves no other trace of what a firewall did.
            Some((endpoint, possible_cause)) => {
                self.shared.common.metrics.cause(possible_cause);
                tracing::warn!(
                session = self.opening.session, verb = %self.verb, path = %escaped(self.path.as_bytes()),
                client = %self.opening.client, %endpoint, waited_millis = self.millis(),
                possible_cause = possible_cause.id(), user = %self.user(), mode = self.mode_name(),
                "transfer cut before its data connection was up"
                );
            }
            None => tracing::info!(
                session = self.opening.session, verb = %self.verb, path = %escaped(self.path.as_bytes()),
                bytes = self.progress.bytes(), user = %self.user(), client = %self.opening.client,
                mode = self.mode_name(), millis = self.millis(), "transfer cut"
            ),
        }
        self.close(TransferOutcome::Cut);
    }
}

/// Moves everything; ends the data connection in order only when all of it was moved.
async fn move_payload(
    mut transfer: Transfer,
    payload: Payload,
    ascii: bool,
    completion: Completion,
) -> Result<(), Failure> {
    let result = match payload {
        Payload::Source(source) => send(&mut transfer, source, ascii).await,
        Payload::Upload(upload) => receive(&mut transfer, upload, ascii, completion).await,
        Payload::Listing(mut listing) => send_listing(&mut transfer, &mut listing).await,
    };
    match result {
        Ok(()) => {
            transfer.finish().await?;
            Ok(())
        }
        Err(failure) => {
            transfer.cut();
            Err(failure)
        }
    }
}

async fn send(transfer: &mut Transfer, source: Source, ascii: bool) -> Result<(), Failure> {
    let announced = source.size.filter(|_| !ascii).map(|size| size.saturating_sub(source.offset));
    let sent = match (source.kind, source.size) {
        (SourceKind::File(file), Some(size)) if !ascii => {
            transfer.send_file(file, source.offset, size).await?
        }
        (SourceKind::File(file), _) => {
            let mut reader = tokio::fs::File::from_std(file);
            let reader: &mut (dyn AsyncRead + Send + Unpin) = &mut reader;
            transfer.send_reader(reader, true).await?
        }
        (SourceKind::Stream(mut reader), _) => transfer.send_reader(&mut *reader, ascii).await?,
    };
    // A file that was cut short meanwhile is not the one that 150 announced (S20).
    if announced.is_some_and(|announced| sent < announced) {
        return Err(PumpError::Local(std::io::ErrorKind::UnexpectedEof.into()).into());
    }
    Ok(())
}

async fn receive(
    transfer: &mut Transfer,
    upload: Upload,
    ascii: bool,
    completion: Completion,
) -> Result<(), Failure> {
    let completion = Completion { offset: upload.offset, ..completion };
    match upload.kind {
        UploadKind::File(upload) => {
            transfer.receive_to(Box::new(Target { upload, completion }), ascii).await?;
        }
        UploadKind::Stream(mut stream) => {
            let received = transfer.receive_to_writer(&mut *stream, ascii).await?;
            tokio::time::sleep(completion.grace(received)).await;
            completion.judge(received, Duration::ZERO).map_err(Failure::Withheld)?;
            stream.shutdown().await.map_err(StorageError::from)?;
        }
    }
    Ok(())
}

async fn send_listing(
    transfer: &mut Transfer,
    listing: &mut crate::listing::ListingWriter,
) -> Result<(), Failure> {
    while let Some(lines) = listing.next_lines().await? {
        transfer.send_bytes(&lines).await?;
    }
    Ok(())
}
