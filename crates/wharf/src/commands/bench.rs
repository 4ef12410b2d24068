//! `wharf bench`: finds out how the server is spoken to, makes what is needed there, loads it, removes it, and tells.

mod probe;

use std::process::ExitCode;
use std::sync::Arc;

use tokio::task::{JoinHandle, spawn_blocking};
use wharf_bench::plan::Download;
use wharf_bench::prepare::Prepared;
use wharf_bench::{FailureKind, Measured, Plan, Stop, Target, Work, run};
use wharf_client::{ClientError, FtpUrl};
use wharf_proto::command::ListArgument;
use wharf_proto::{Command, Pathname};

use super::client::{INTERRUPTED, LAST_WORK, interruption};
use super::event_loop;
use crate::args::bench::{BenchArguments, ListingCommand, Work as Kind};
use crate::args::connection::ProxyChoice;
use crate::output;
use crate::output::bench::Told;
use crate::settings::{ClientSettings, Talk, parse_url};
use probe::{Found, probe};

/// The exit code when anything failed on the way.
const SOMETHING_FAILED: u8 = 1;
/// Files of `down` and `up`, in bytes.
const LARGE: u64 = 256 * 1024 * 1024;
/// Files of `small` and `small-up`, in bytes.
const SMALL: u64 = 1024;

pub(crate) fn run(arguments: BenchArguments) -> ExitCode {
    let begun = ClientSettings::resolve(&arguments.connection, arguments.json)
        .and_then(|settings| Ok((settings, parse_url(&arguments.url)?)));
    let (settings, url) = match begun {
        Ok(begun) => begun,
        Err(error) => return failed(&error),
    };
    if settings.options.tls.clear_control {
        return super::client::usage("bench keeps TLS on the control connection: leave --ccc out");
    }
    if matches!(arguments.connection.proxy, Some(ProxyChoice::Proxy(_))) {
        return super::client::usage(
            "bench measures a server, and not a proxy in between: leave --proxy out, and run it where the server can be \
             reached directly",
        );
    }
    super::serve::raise_descriptor_limit();
    let runtime = match event_loop::start() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let code = runtime.block_on(async {
        let found = tokio::select! {
            found = probe(&arguments, &settings, &url) => found,
            () = interruption() => {
                output::error(&"interrupted");
                return INTERRUPTED.into();
            }
        };
        match found {
            Ok(found) => bench(&arguments, &settings, &url, found).await,
            Err(error) => failed(&error),
        }
    });
    runtime.shutdown_timeout(LAST_WORK);
    code
}

fn failed(error: &ClientError) -> ExitCode {
    output::error(error);
    error.exit_code().into()
}

/// Everything behind the look at the server.
async fn bench(
    arguments: &BenchArguments,
    settings: &ClientSettings,
    url: &FtpUrl,
    found: Found,
) -> ExitCode {
    let Found { target, tls_version, listing, files } = found;
    let (stop, parallel) = (Stop::default(), parallel(arguments));
    if settings.talk != Talk::Quiet {
        output::note(&announcement(arguments, url, &target, parallel));
    }
    let mut prepared = None;
    if arguments.prepare {
        let (count, size) = (prepared_files(arguments), size(arguments));
        let (target, parent, stopped) = (target.clone(), url.path().cloned(), stop.clone());
        let making = spawn_blocking(move || Prepared::make(&target, parent.as_ref(), count, size, &stopped));
        match stoppable(making, &stop).await {
            Some(Ok(made)) => prepared = Some(made),
            Some(Err(failure)) if stop.is_requested() => {
                output::error(&format!("interrupted: {failure}"));
                return INTERRUPTED.into();
            }
            Some(Err(failure)) => {
                let advice = "name something that is there already in the URL, and leave --prepare out";
                output::error(&format!("what is needed cannot be made on the server: {failure}; {advice}"));
                return exit_code(failure.kind).into();
            }
            None => return left_alone(),
        }
    }
    let work = work(arguments, url, prepared.as_ref(), listing, files);
    let plan =
        Plan { work, parallel, time: arguments.seconds, warm_up: arguments.warm_up, count: arguments.count };
    let (loaded, planned, stopped) = (target.clone(), plan.clone(), stop.clone());
    let measured = stoppable(spawn_blocking(move || run::run(&loaded, &planned, &stopped)), &stop).await;
    let left = match prepared {
        Some(prepared) => {
            let target = target.clone();
            stoppable(spawn_blocking(move || prepared.remove(&target)), &stop).await
        }
        None => Some(Vec::new()),
    };
    match (measured, left) {
        (Some(Ok(mut measured)), Some(left)) => {
            measured.left_behind.extend(left);
            let told = Told { work: arguments.work, url, target: &target, tls_version, measured: &measured };
            tell(&told, arguments.json, &measured)
        }
        (Some(Err(failure)), _) => {
            output::error(&failure);
            exit_code(failure.kind).into()
        }
        _ => left_alone(),
    }
}

fn tell(told: &Told<'_>, json: bool, measured: &Measured) -> ExitCode {
    let printed = if json { output::json(&told.object()) } else { told.print() };
    if let Err(error) = printed
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        output::error(&super::client::standard_output(error));
        return ExitCode::from(9);
    }
    for (path, why) in &measured.left_behind {
        output::error(&format!("{path} is left on the server: {why}"));
    }
    let nothing_came_up = measured.operations == 0 && measured.all_operations == 0;
    match measured.failures.iter().next() {
        _ if measured.interrupted => INTERRUPTED.into(),
        Some((kind, _, _)) if nothing_came_up => exit_code(kind).into(),
        Some(_) => SOMETHING_FAILED.into(),
        None if !measured.left_behind.is_empty() || measured.stuck > 0 => SOMETHING_FAILED.into(),
        None => ExitCode::SUCCESS,
    }
}

/// The client's code for the like.
fn exit_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Connect | FailureKind::ControlLost | FailureKind::TimedOut | FailureKind::NotFtp => 3,
        FailureKind::Tls => 4,
        FailureKind::Login => 5,
        FailureKind::Refused => 6,
        FailureKind::DataConnection => 7,
        FailureKind::Cut => 8,
        FailureKind::Local => 9,
    }
}

/// Waits for `work`. The first interruption asks it to stop, the second leaves it alone.
async fn stoppable<T>(mut work: JoinHandle<T>, stop: &Stop) -> Option<T> {
    tokio::select! {
        done = &mut work => return done.ok(),
        () = interruption() => stop.request(),
    }
    tokio::select! {
        done = work => done.ok(),
        () = interruption() => None,
    }
}

/// The user did not wait for the end.
fn left_alone() -> ExitCode {
    output::error(&"interrupted twice: files whose names begin with wharf-bench may be left on the server");
    INTERRUPTED.into()
}

/// What is about to be done, before it is.
fn announcement(arguments: &BenchArguments, url: &FtpUrl, target: &Target, parallel: usize) -> String {
    let what = match arguments.work {
        Kind::Down => "download a file over and over".to_owned(),
        Kind::Small => "download small files".to_owned(),
        Kind::List => "list a directory".to_owned(),
        Kind::Login => "log in and quit".to_owned(),
        Kind::Idle => "hold sessions and time NOOP beside them".to_owned(),
        Kind::Up | Kind::SmallUp => {
            format!("upload files wharf-bench-* of {} bytes, and remove them again", size(arguments))
        }
    };
    let how_long = match arguments.count {
        Some(count) => format!("{count} times, at most {} s", arguments.seconds.as_secs_f32()),
        None => format!("for {} s", arguments.seconds.as_secs_f32()),
    };
    let made = match (arguments.prepare, prepared_files(arguments)) {
        (true, count) => {
            let size = size(arguments);
            format!(
                "; {count} files of {size} bytes are made in a new directory there first, and removed behind it"
            )
        }
        (false, _) => String::new(),
    };
    format!(
        "wharf: {}: {what} in {parallel} sessions with {} ({}), {how_long}{made}",
        arguments.work.name(),
        url.host(),
        target.address
    )
}

fn parallel(arguments: &BenchArguments) -> usize {
    let usual = match arguments.work {
        Kind::Down | Kind::Up => 4,
        Kind::Small | Kind::SmallUp | Kind::Login => 8,
        Kind::List => 1,
        Kind::Idle => 100,
    };
    arguments.parallel.map_or(usual, |parallel| parallel as usize)
}

fn size(arguments: &BenchArguments) -> u64 {
    arguments.size.unwrap_or(match arguments.work {
        Kind::Down | Kind::Up => LARGE,
        Kind::List => 0,
        _ => SMALL,
    })
}

fn prepared_files(arguments: &BenchArguments) -> usize {
    let usual = match arguments.work {
        Kind::Down => 1,
        Kind::List => 10_000,
        _ => 1000,
    };
    arguments.files.map_or(usual, |files| files as usize)
}

fn work(
    arguments: &BenchArguments,
    url: &FtpUrl,
    prepared: Option<&Prepared>,
    listing: ListingCommand,
    files: Arc<[Download]>,
) -> Work {
    let directory = prepared.map(Prepared::directory).or(url.path()).cloned();
    match arguments.work {
        Kind::Down | Kind::Small => Work::Download {
            files: prepared.map_or(files, Prepared::downloads),
            is_large: arguments.work == Kind::Down,
        },
        Kind::Up | Kind::SmallUp => {
            Work::Upload { prefix: prefix(directory.as_ref()), size: size(arguments) }
        }
        Kind::List => Work::List(match listing {
            ListingCommand::List => Command::List(ListArgument { options: Box::default(), path: directory }),
            ListingCommand::Nlst => Command::Nlst(ListArgument { options: Box::default(), path: directory }),
            ListingCommand::Mlsd => Command::Mlsd(directory),
        }),
        Kind::Login => Work::Login,
        Kind::Idle => Work::Idle,
    }
}

/// What stands before the names of files in `directory`.
fn prefix(directory: Option<&Pathname>) -> Vec<u8> {
    let mut prefix = directory.map(|path| path.as_bytes().to_vec()).unwrap_or_default();
    if !prefix.is_empty() && !prefix.ends_with(b"/") {
        prefix.push(b'/');
    }
    prefix
}
