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

use std::net::SocketAddrV4;

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

/// Carries out one command.
pub(crate) async fn carry_out(session: &mut Session, command: Command) -> Outcome {
    if let Some(Err(refusal)) = command.verb().map(|verb| prot::may_transfer(session, verb)) {
        return refusal.into();
    }
    let result: Carried<Outcome> = match command {
        Command::User(name) => Ok(user::run(session, &name).into()),
        Command::Pass(password) => Ok(pass::run(session, &password).await.into()),
        Command::Acct(_) => Ok(replies::superfluous().into()),
        Command::Rein => Ok(replies::ready_for_new_user().into()),
        Command::Host(_) => Ok(replies::host_accepted().into()),
        Command::Quit => Ok(replies::goodbye().into()),
        Command::Noop | Command::Clnt(_) => Ok(replies::okay().into()),
        Command::Syst => Ok(replies::system().into()),
        Command::Feat => Ok(feat::run(session).into()),
        Command::Opts(argument) => Ok(opts::run(session, &argument).into()),
        Command::Lang(tag) => Ok(opts::language(tag.as_ref()).into()),
        Command::Help(verb) => Ok(help::run(verb.as_ref()).into()),
        Command::Stat(argument) => stat::run(session, argument).await.map(Outcome::from),
        Command::Site(argument) => site::run(session, &argument).await.map(Outcome::from),
        Command::Abor => Ok(replies::nothing_to_abort().into()),

        Command::Type(representation) => Ok(representation::run(representation).into()),
        Command::Stru(structure) => Ok(representation::structure(structure).into()),
        Command::Mode(mode) => Ok(representation::mode(mode).into()),
        Command::Allo(argument) => Ok(allo::run(session, &argument).into()),
        Command::Rest(offset) => Ok(rest::run(offset).into()),

        Command::Pasv => epsv::pasv(session).await.map(Outcome::from),
        Command::Epsv(argument) => epsv::run(session, argument).map(Outcome::from),
        Command::Port(told) => {
            port::run(session, Verb::Port, SocketAddrV4::from(told).into()).map(Outcome::from)
        }
        Command::Eprt(told) => port::run(session, Verb::Eprt, told.into()).map(Outcome::from),

        Command::Retr(path) => retr::run(session, &path).await,
        Command::Stor(path) => stor::run(session, &path).await,
        Command::Appe(path) => stor::append(session, &path).await,
        Command::Stou(path) => stor::unique(session, path.as_ref()).await,
        Command::List(argument) => list::run(session, Verb::List, argument).await,
        Command::Nlst(argument) => list::run(session, Verb::Nlst, argument).await,
        Command::Mlsd(path) => list::mlsd(session, path).await,
        Command::Mlst(path) => mlst::run(session, path.as_ref()).await.map(Outcome::from),

        Command::Cwd(path) | Command::Xcwd(path) => cwd::run(session, &path).await.map(Outcome::from),
        Command::Cdup | Command::Xcup => Ok(cwd::up(session).into()),
        Command::Pwd | Command::Xpwd => Ok(pwd::run(session).into()),
        Command::Mkd(path) | Command::Xmkd(path) => mkd::run(session, &path).await.map(Outcome::from),
        Command::Rmd(path) | Command::Xrmd(path) => rmd::run(session, &path).await.map(Outcome::from),
        Command::Dele(path) => dele::run(session, &path).await.map(Outcome::from),
        Command::Rnfr(path) => rnto::from(session, &path).await.map(Outcome::from),
        Command::Rnto(path) => rnto::run(session, &path).await.map(Outcome::from),
        Command::Size(path) => size::run(session, &path).await.map(Outcome::from),
        Command::Mdtm(path) => mdtm::run(session, &path).await.map(Outcome::from),
        Command::Mfmt(argument) => mdtm::set(session, &argument).await.map(Outcome::from),

        Command::Hash(path) => hash::run(session, &path).await,
        Command::Rang(argument) => hash::range(session, &argument).map(Outcome::from),
        Command::Xcrc(argument) => hash::older(session, Verb::Xcrc, &argument).await,
        Command::Xmd5(argument) => hash::older(session, Verb::Xmd5, &argument).await,
        Command::Xsha1(argument) => hash::older(session, Verb::Xsha1, &argument).await,
        Command::Xsha256(argument) => hash::older(session, Verb::Xsha256, &argument).await,
        Command::Xsha512(argument) => hash::older(session, Verb::Xsha512, &argument).await,
        Command::Avbl(path) => avbl::run(session, path.as_ref()).await.map(Outcome::from),

        Command::Auth(mechanism) => auth::run(session, &mechanism).map(Outcome::from),
        Command::Pbsz(size) => Ok(prot::buffer_size(size.bytes()).into()),
        Command::Prot(level) => prot::run(session, level).map(Outcome::from),
        Command::Ccc => prot::clear_control(session).map(Outcome::from),
        Command::Smnt(_)
        | Command::Adat(_)
        | Command::Mic(_)
        | Command::Conf(_)
        | Command::Enc(_)
        | Command::Unknown(_) => Ok(replies::not_implemented().into()),
    };
    result.unwrap_or_else(Outcome::Reply)
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
