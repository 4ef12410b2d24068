//! One short file a command. Sequence and syntax were checked by the core before any of them is called.

pub(crate) mod allo;
pub(crate) mod auth;
pub(crate) mod avbl;
pub(crate) mod cwd;
pub(crate) mod dele;
pub(crate) mod epsv;
pub(crate) mod feat;
pub(crate) mod hash;
pub(crate) mod help;
pub(crate) mod list;
pub(crate) mod mdtm;
pub(crate) mod mkd;
pub(crate) mod mlst;
pub(crate) mod opts;
pub(crate) mod pass;
pub(crate) mod port;
pub(crate) mod prot;
pub(crate) mod pwd;
pub(crate) mod representation;
pub(crate) mod rest;
pub(crate) mod retr;
pub(crate) mod rmd;
pub(crate) mod rnto;
pub(crate) mod site;
pub(crate) mod size;
pub(crate) mod stat;
pub(crate) mod stor;
pub(crate) mod user;

use std::future::Future;
use std::net::SocketAddrV4;
use std::pin::Pin;

use wharf_proto::pathname::escaped;
use wharf_proto::{Command, Pathname, Reply, Verb};
use wharf_storage::StoragePath;

use crate::replies;
use crate::session::Session;
use crate::transfer::Running;

/// Verbs that are known by name and answered with 502: what of RFC 2228 TLS does not need, and SMNT.
pub const UNSUPPORTED_VERBS: &[Verb] = &[Verb::Smnt, Verb::Adat, Verb::Mic, Verb::Conf, Verb::Enc];

/// What a command comes to.
pub(crate) enum Outcome {
    /// It is done.
    Reply(Reply),
    /// A transfer begins: this 1yz now, the transfer's own reply when it ends.
    Begin {
        /// 150.
        announcement: Reply,
        /// The transfer.
        running: Running,
    },
    /// Something begins that takes its time; its own reply comes when it ends.
    Work(Running),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A command that stopped early carries the reply that says why.
pub(crate) type Carried<T> = Result<T, Reply>;

/// A command that is being carried out.
pub(crate) enum Carrying<'s> {
    /// It has come to its end at once.
    Done(Outcome),
    /// It may have to wait. Each has a future of its own, since room for that of any command is dear.
    Waits(Pin<Box<dyn Future<Output = Outcome> + Send + 's>>),
}

/// Carries out one command.
pub(crate) fn carry_out(session: &mut Session, command: Command) -> Carrying<'_> {
    if let Some(Err(refusal)) = command.verb().map(|verb| prot::may_transfer(session, verb)) {
        return Carrying::Done(refusal.into());
    }
    let result: Carried<Reply> = match command {
        Command::User(name) => Ok(user::run(session, &name)),
        Command::Pass(password) => return waits(async move { Ok(pass::run(session, &password).await) }),
        Command::Acct(_) => Ok(replies::superfluous()),
        Command::Rein => Ok(replies::ready_for_new_user()),
        Command::Host(_) => Ok(replies::host_accepted()),
        Command::Quit => Ok(replies::goodbye()),
        Command::Noop | Command::Clnt(_) => Ok(replies::okay()),
        Command::Syst => Ok(replies::system()),
        Command::Feat => Ok(feat::run(session)),
        Command::Opts(argument) => Ok(opts::run(session, &argument)),
        Command::Lang(tag) => Ok(opts::language(tag.as_ref())),
        Command::Help(verb) => Ok(help::run(verb.as_ref())),
        Command::Stat(argument) => return waits(async move { stat::run(session, argument).await }),
        Command::Site(argument) => return waits(async move { site::run(session, &argument).await }),
        Command::Abor => Ok(replies::nothing_to_abort()),

        Command::Type(representation) => Ok(representation::run(representation)),
        Command::Stru(structure) => Ok(representation::structure(structure)),
        Command::Mode(mode) => Ok(representation::mode(mode)),
        Command::Allo(argument) => Ok(allo::run(session, &argument)),
        Command::Rest(offset) => Ok(rest::run(offset)),

        Command::Pasv => return waits(async move { epsv::pasv(session).await }),
        Command::Epsv(argument) => epsv::run(session, argument),
        Command::Port(told) => port::run(session, Verb::Port, SocketAddrV4::from(told).into()),
        Command::Eprt(told) => port::run(session, Verb::Eprt, told.into()),

        Command::Retr(path) => return waits(async move { retr::run(session, &path).await }),
        Command::Stor(path) => return waits(async move { stor::run(session, &path).await }),
        Command::Appe(path) => return waits(async move { stor::append(session, &path).await }),
        Command::Stou(path) => return waits(async move { stor::unique(session, path.as_ref()).await }),
        Command::List(argument) => {
            return waits(async move { list::run(session, Verb::List, argument).await });
        }
        Command::Nlst(argument) => {
            return waits(async move { list::run(session, Verb::Nlst, argument).await });
        }
        Command::Mlsd(path) => return waits(async move { list::mlsd(session, path).await }),
        Command::Mlst(path) => return waits(async move { mlst::run(session, path.as_ref()).await }),

        Command::Cwd(path) | Command::Xcwd(path) => {
            return waits(async move { cwd::run(session, &path).await });
        }
        Command::Cdup | Command::Xcup => Ok(cwd::up(session)),
        Command::Pwd | Command::Xpwd => Ok(pwd::run(session)),
        Command::Mkd(path) | Command::Xmkd(path) => {
            return waits(async move { mkd::run(session, &path).await });
        }
        Command::Rmd(path) | Command::Xrmd(path) => {
            return waits(async move { rmd::run(session, &path).await });
        }
        Command::Dele(path) => return waits(async move { dele::run(session, &path).await }),
        Command::Rnfr(path) => return waits(async move { rnto::from(session, &path).await }),
        Command::Rnto(path) => return waits(async move { rnto::run(session, &path).await }),
        Command::Size(path) => return waits(async move { size::run(session, &path).await }),
        Command::Mdtm(path) => return waits(async move { mdtm::run(session, &path).await }),
        Command::Mfmt(argument) => return waits(async move { mdtm::set(session, &argument).await }),

        Command::Hash(path) => return waits(async move { hash::run(session, &path).await }),
        Command::Rang(argument) => hash::range(session, &argument),
        Command::Xcrc(argument) => {
            return waits(async move { hash::older(session, Verb::Xcrc, &argument).await });
        }
        Command::Xmd5(argument) => {
            return waits(async move { hash::older(session, Verb::Xmd5, &argument).await });
        }
        Command::Xsha1(argument) => {
            return waits(async move { hash::older(session, Verb::Xsha1, &argument).await });
        }
        Command::Xsha256(argument) => {
            return waits(async move { hash::older(session, Verb::Xsha256, &argument).await });
        }
        Command::Xsha512(argument) => {
            return waits(async move { hash::older(session, Verb::Xsha512, &argument).await });
        }
        Command::Avbl(path) => return waits(async move { avbl::run(session, path.as_ref()).await }),

        Command::Auth(mechanism) => auth::run(session, &mechanism),
        Command::Pbsz(size) => Ok(prot::buffer_size(size.bytes())),
        Command::Prot(level) => prot::run(session, level),
        Command::Ccc => prot::clear_control(session),
        Command::Smnt(_)
        | Command::Adat(_)
        | Command::Mic(_)
        | Command::Conf(_)
        | Command::Enc(_)
        | Command::Unknown(_) => Ok(replies::not_implemented()),
    };
    Carrying::Done(result.unwrap_or_else(|reply| reply).into())
}

/// What may have to wait.
fn waits<'s, T: Into<Outcome>>(work: impl Future<Output = Carried<T>> + Send + 's) -> Carrying<'s> {
    Carrying::Waits(Box::pin(async { work.await.map_or_else(Outcome::Reply, Into::into) }))
}

/// The one place where a name from the wire becomes a path of the storage.
pub(crate) fn resolve(session: &Session, path: &Pathname) -> Carried<StoragePath> {
    resolve_bytes(session, path.as_bytes())
}

/// As [`resolve`], for bytes that were cut out of an argument.
pub(crate) fn resolve_bytes(session: &Session, wire: &[u8]) -> Carried<StoragePath> {
    let name =
        session.charset().to_storage(wire).ok_or_else(|| replies::not_in_charset(session.charset()))?;
    session.directory.resolve(&name).map_err(|error| replies::bad_path(&error))
}

/// Notes in the log that something was changed, and by whom.
pub(crate) fn log_change(session: &Session, what: impl std::fmt::Display, path: &StoragePath) {
    let path = escaped(path.as_bytes());
    tracing::info!(session = session.number, user = %session.who(), %path, "{what}");
}
