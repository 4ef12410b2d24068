//! The one verb table: what every FTP command looks like and when it may come.

use core::fmt;

use crate::argument::{
    ByteCount, EpsvArgument, ListArgument, Password, ProtectionLevel, Representation, Structure, Text,
    TimeAndPath, TransmissionMode,
};
use crate::command::{CommandError, UnknownCommand, arm};
use crate::host_port::{ExtendedHostPort, HostPort};
use crate::pathname::Pathname;

/// When a verb may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// Any time.
    NotNeeded,
    /// After login only; 530 before.
    Needed,
}

/// What a verb does to the conversation beyond its own reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing that concerns others.
    Plain,
    /// Agrees on a data connection.
    Negotiation,
    /// Sends a file to the client over a data connection.
    Download,
    /// Takes a file from the client over a data connection.
    Upload,
    /// Sends a listing to the client over a data connection.
    Listing,
    /// Answers after a while, in which ABOR, STAT and QUIT act at once as during a transfer.
    Lengthy,
    /// Acts at once even while a transfer runs (RFC 959 §4.1.3 ABOR, STAT; §4.1.1 QUIT).
    Overtaking,
}

impl Role {
    /// Whether a data connection is used.
    #[must_use]
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::Download | Self::Upload | Self::Listing)
    }

    /// Whether others act before it is answered.
    #[must_use]
    pub fn can_be_overtaken(self) -> bool {
        self.is_transfer() || self == Self::Lengthy
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct VerbSpecification {
    /// Upper case.
    pub name: &'static str,
    /// Whether a login must have come before.
    pub login: Login,
    /// What it does to the conversation.
    pub role: Role,
    /// The codes that may answer it, beside 421, 500 to 504 and 530, which may answer any (RFC 959 §5.4).
    pub replies: &'static [u16],
    /// Where it is defined.
    pub source: &'static str,
    /// Its syntax, for HELP.
    pub syntax: &'static str,
}

/// Codes that may answer any verb (RFC 959 §5.4; 533 to 537 are RFC 2228's).
const REPLIES_TO_ANY: &[u16] = &[202, 332, 421, 500, 501, 502, 503, 504, 530, 532, 533, 534, 535, 536, 537];
const RETRIEVING: &[u16] =
    &[110, 125, 150, 226, 250, 425, 426, 450, 451, 521, 522, 550, 551, 552, 553, 554, 555];
const STORING: &[u16] =
    &[110, 125, 150, 226, 250, 425, 426, 450, 451, 452, 521, 522, 532, 550, 551, 552, 553, 554, 555];
const CHECKSUM: &[u16] = &[213, 250, 426, 450, 451, 550, 551, 553, 556];
const PATH_ACTION: &[u16] = &[200, 250, 450, 451, 550, 552, 553];

/// Bytes of the longest verb.
const LONGEST_NAME: usize = 7;

macro_rules! verbs {
    ($( $variant:ident $name:literal $(($argument:ty))? $login:ident $role:ident $replies:expr, $source:literal, $syntax:literal; )*) => {
        /// A command's verb.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Verb {
            $(#[doc = concat!("`", $syntax, "` (", $source, ")")] $variant,)*
        }

        impl Verb {
            /// Every verb, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The verb of that name, in any case (RFC 959 §5.3).
            #[must_use]
            pub fn from_name(name: &[u8]) -> Option<Self> {
                let mut upper = [0; LONGEST_NAME];
                let upper = upper.get_mut(..name.len())?;
                upper.copy_from_slice(name);
                upper.make_ascii_uppercase();
                match core::str::from_utf8(upper).ok()? {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Its row in the table.
            #[must_use]
            pub fn specification(self) -> &'static VerbSpecification {
                match self {
                    $(Self::$variant => const { &VerbSpecification {
                        name: $name, login: Login::$login, role: Role::$role, replies: $replies,
                        source: $source, syntax: $syntax,
                    } },)*
                }
            }

            /// Reads the argument as this verb's row says.
            pub(crate) fn with_argument(self, argument: &[u8]) -> Result<Command, CommandError> {
                match self {
                    $(Self::$variant => arm!(parse $variant, self, argument $(, $argument)?),)*
                }
            }
        }

        /// A command with its argument, parsed.
        ///
        /// `Debug` and `Display` never show a password.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Command {
            $(#[doc = concat!("`", $syntax, "` (", $source, ")")] $variant $(($argument))?,)*
            /// A verb that the table does not have; a client sends it as it is, a server answers 500.
            Unknown(UnknownCommand),
        }

        impl Command {
            /// Its verb, if the table has it.
            #[must_use]
            pub fn verb(&self) -> Option<Verb> {
                match self {
                    $(Self::$variant { .. } => Some(Verb::$variant),)*
                    Self::Unknown(_) => None,
                }
            }

            /// Appends verb and argument, without the line end and without doubling 0xFF.
            pub(crate) fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $((arm!(first argument, $argument)))? => {
                        out.extend_from_slice($name.as_bytes());
                        $(arm!(write arm!(first argument, $argument), out);)?
                    })*
                    Self::Unknown(unknown) => unknown.write(out),
                }
            }
        }
    };
}

verbs! {
    // Access control, RFC 959 §4.1.1
    User "USER" (Text) NotNeeded Plain &[230, 232, 331, 332, 336], "RFC 959 §4.1.1", "USER <SP> user";
    Pass "PASS" (Password) NotNeeded Plain &[202, 230, 332], "RFC 959 §4.1.1", "PASS <SP> password";
    Acct "ACCT" (Password) NotNeeded Plain &[202, 230], "RFC 959 §4.1.1", "ACCT <SP> account";
    Cwd "CWD" (Pathname) Needed Plain PATH_ACTION, "RFC 959 §4.1.1", "CWD <SP> directory";
    Cdup "CDUP" Needed Plain PATH_ACTION, "RFC 959 §4.1.1", "CDUP";
    Smnt "SMNT" (Pathname) Needed Plain PATH_ACTION, "RFC 959 §4.1.1", "SMNT <SP> path";
    Rein "REIN" NotNeeded Plain &[120, 220], "RFC 959 §4.1.1", "REIN";
    Quit "QUIT" NotNeeded Overtaking &[221], "RFC 959 §4.1.1", "QUIT";
    // Transfer parameters, RFC 959 §4.1.2
    Port "PORT" (HostPort) Needed Negotiation &[200, 522], "RFC 959 §4.1.2", "PORT <SP> h1,h2,h3,h4,p1,p2";
    Pasv "PASV" Needed Negotiation &[227, 425, 522], "RFC 959 §4.1.2", "PASV";
    Type "TYPE" (Representation) Needed Plain &[200], "RFC 959 §4.1.2", "TYPE <SP> A|I|L 8";
    Stru "STRU" (Structure) Needed Plain &[200], "RFC 959 §4.1.2", "STRU <SP> F";
    Mode "MODE" (TransmissionMode) Needed Plain &[200], "RFC 959 §4.1.2", "MODE <SP> S";
    // Service, RFC 959 §4.1.3
    Retr "RETR" (Pathname) Needed Download RETRIEVING, "RFC 959 §4.1.3", "RETR <SP> path";
    Stor "STOR" (Pathname) Needed Upload STORING, "RFC 959 §4.1.3", "STOR <SP> path";
    Stou "STOU" (Option<Pathname>) Needed Upload STORING, "RFC 959 §4.1.3", "STOU [<SP> path]";
    Appe "APPE" (Pathname) Needed Upload STORING, "RFC 959 §4.1.3", "APPE <SP> path";
    Allo "ALLO" (Text) Needed Plain &[200, 202, 452, 552], "RFC 959 §4.1.3", "ALLO <SP> size [<SP> R <SP> size]";
    Rest "REST" (ByteCount) Needed Plain &[350, 554], "RFC 3659 §5", "REST <SP> offset";
    Rnfr "RNFR" (Pathname) Needed Plain &[350, 450, 451, 550, 553], "RFC 959 §4.1.3", "RNFR <SP> path";
    Rnto "RNTO" (Pathname) Needed Plain PATH_ACTION, "RFC 959 §4.1.3", "RNTO <SP> path";
    Abor "ABOR" NotNeeded Overtaking &[225, 226], "RFC 959 §4.1.3", "ABOR";
    Dele "DELE" (Pathname) Needed Plain PATH_ACTION, "RFC 959 §4.1.3", "DELE <SP> path";
    Rmd "RMD" (Pathname) Needed Plain PATH_ACTION, "RFC 959 §4.1.3", "RMD <SP> directory";
    Mkd "MKD" (Pathname) Needed Plain &[257, 450, 451, 452, 550, 552, 553], "RFC 959 §4.1.3", "MKD <SP> directory";
    Pwd "PWD" Needed Plain &[257, 550], "RFC 959 §4.1.3", "PWD";
    List "LIST" (ListArgument) Needed Listing RETRIEVING, "RFC 959 §4.1.3", "LIST [<SP> path]";
    Nlst "NLST" (ListArgument) Needed Listing RETRIEVING, "RFC 959 §4.1.3", "NLST [<SP> path]";
    Site "SITE" (Text) Needed Plain &[200, 211, 214, 250, 450, 550, 553], "RFC 959 §4.1.3", "SITE <SP> command";
    Syst "SYST" NotNeeded Plain &[215], "RFC 959 §4.1.3", "SYST";
    Stat "STAT" (Option<ListArgument>) NotNeeded Overtaking &[211, 212, 213, 450, 550], "RFC 959 §4.1.3", "STAT [<SP> path]";
    Help "HELP" (Option<Text>) NotNeeded Plain &[211, 214], "RFC 959 §4.1.3", "HELP [<SP> verb]";
    Noop "NOOP" NotNeeded Plain &[200], "RFC 959 §4.1.3", "NOOP";
    // Experimental names of RFC 775, which clients still send (RFC 1123 §4.1.3.1)
    Xcup "XCUP" Needed Plain PATH_ACTION, "RFC 775", "XCUP";
    Xcwd "XCWD" (Pathname) Needed Plain PATH_ACTION, "RFC 775", "XCWD <SP> directory";
    Xmkd "XMKD" (Pathname) Needed Plain &[257, 450, 451, 452, 550, 552, 553], "RFC 775", "XMKD <SP> directory";
    Xpwd "XPWD" Needed Plain &[257, 550], "RFC 775", "XPWD";
    Xrmd "XRMD" (Pathname) Needed Plain PATH_ACTION, "RFC 775", "XRMD <SP> directory";
    // Features, RFC 2389, and languages, RFC 2640
    Feat "FEAT" NotNeeded Plain &[211], "RFC 2389 §3", "FEAT";
    Opts "OPTS" (Text) NotNeeded Plain &[200, 451], "RFC 2389 §4", "OPTS <SP> verb [<SP> options]";
    Lang "LANG" (Option<Text>) NotNeeded Plain &[200], "RFC 2640 §4.1", "LANG [<SP> tag]";
    Clnt "CLNT" (Option<Text>) NotNeeded Plain &[200], "a common extension", "CLNT <SP> name";
    // Any address family, RFC 2428
    Eprt "EPRT" (ExtendedHostPort) Needed Negotiation &[200, 522], "RFC 2428 §2", "EPRT <SP> |family|address|port|";
    Epsv "EPSV" (EpsvArgument) Needed Negotiation &[200, 229, 425, 522], "RFC 2428 §3", "EPSV [<SP> family|ALL]";
    // Extensions, RFC 3659, and MFMT of draft-somers-ftp-mfxx
    Size "SIZE" (Pathname) Needed Plain &[213, 450, 451, 550], "RFC 3659 §4", "SIZE <SP> path";
    Mdtm "MDTM" (Pathname) Needed Plain &[213, 250, 450, 451, 550], "RFC 3659 §3", "MDTM <SP> path";
    Mfmt "MFMT" (TimeAndPath) Needed Plain &[213, 250, 450, 451, 550], "draft-somers-ftp-mfxx §3", "MFMT <SP> time <SP> path";
    Mlst "MLST" (Option<Pathname>) Needed Plain &[250, 450, 451, 550], "RFC 3659 §7", "MLST [<SP> path]";
    Mlsd "MLSD" (Option<Pathname>) Needed Listing RETRIEVING, "RFC 3659 §7", "MLSD [<SP> directory]";
    // Checksums: HASH and the older commands that each server made for itself
    Hash "HASH" (Pathname) Needed Lengthy CHECKSUM, "draft-ietf-ftpext2-hash §3", "HASH <SP> path";
    Rang "RANG" (Text) Needed Plain &[350], "draft-bryan-ftp-range §3", "RANG <SP> first <SP> last";
    Xcrc "XCRC" (Text) Needed Lengthy CHECKSUM, "a common extension", "XCRC <SP> path [[<SP> start] <SP> end]";
    Xmd5 "XMD5" (Text) Needed Lengthy CHECKSUM, "a common extension", "XMD5 <SP> path [[<SP> start] <SP> end]";
    Xsha1 "XSHA1" (Text) Needed Lengthy CHECKSUM, "a common extension", "XSHA1 <SP> path [[<SP> start] <SP> end]";
    Xsha256 "XSHA256" (Text) Needed Lengthy CHECKSUM, "a common extension", "XSHA256 <SP> path [[<SP> start] <SP> end]";
    Xsha512 "XSHA512" (Text) Needed Lengthy CHECKSUM, "a common extension", "XSHA512 <SP> path [[<SP> start] <SP> end]";
    Avbl "AVBL" (Option<Pathname>) Needed Plain &[213, 450, 451, 550], "draft-peterson-streamlined-ftp §4", "AVBL [<SP> directory]";
    // Security, RFC 2228 and RFC 4217
    Auth "AUTH" (Text) NotNeeded Plain &[232, 234, 334, 431], "RFC 2228 §3", "AUTH <SP> mechanism";
    Adat "ADAT" (Text) NotNeeded Plain &[235, 335], "RFC 2228 §3", "ADAT <SP> data";
    Pbsz "PBSZ" (ByteCount) NotNeeded Plain &[200], "RFC 2228 §3", "PBSZ <SP> size";
    Prot "PROT" (ProtectionLevel) NotNeeded Plain &[200, 431], "RFC 2228 §3", "PROT <SP> C|P";
    Ccc "CCC" NotNeeded Plain &[200], "RFC 2228 §3", "CCC";
    Mic "MIC" (Text) NotNeeded Plain &[], "RFC 2228 §3", "MIC <SP> data";
    Conf "CONF" (Text) NotNeeded Plain &[], "RFC 2228 §3", "CONF <SP> data";
    Enc "ENC" (Text) NotNeeded Plain &[], "RFC 2228 §3", "ENC <SP> data";
    // Virtual hosts, RFC 7151
    Host "HOST" (Text) NotNeeded Plain &[220], "RFC 7151 §3", "HOST <SP> name";
}

impl Verb {
    /// Whether `code` may answer this verb.
    #[must_use]
    pub fn may_be_answered_with(self, code: u16) -> bool {
        self.specification().replies.contains(&code) || REPLIES_TO_ANY.contains(&code)
    }

    /// What it does to the conversation.
    #[must_use]
    pub fn role(self) -> Role {
        self.specification().role
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.specification().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_found_by_its_name_in_any_case() {
        for verb in Verb::ALL {
            let name = verb.specification().name;
            assert_eq!(Verb::from_name(name.as_bytes()), Some(*verb));
            assert_eq!(Verb::from_name(name.to_lowercase().as_bytes()), Some(*verb));
        }
        assert_eq!(Verb::from_name(b"STORE"), None);
        assert_eq!(Verb::from_name(b""), None);
    }

    #[test]
    fn every_transfer_can_start_and_end() {
        for verb in Verb::ALL.iter().filter(|verb| verb.role().is_transfer()) {
            for code in [125, 150, 226, 250, 425, 426, 451] {
                assert!(verb.may_be_answered_with(code), "{verb} {code}");
            }
        }
    }
}
