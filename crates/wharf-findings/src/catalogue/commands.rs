//! Commands and replies that one side does not know or does not send as it should.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static EXTENDED_UNSUPPORTED: Entry = Entry {
    id: "extended-unsupported",
    summary: Text::of(
        "The server, or a filter before it, does not know EPSV or EPRT.",
        "服务器或其前面的过滤设备不支持 EPSV 或 EPRT。",
    ),
    fix: Fix::NOBODY.client(
        "Fall back to PASV or PORT quickly, and remember that for this host.",
        "尽快退回到 PASV 或 PORT，并为该主机记住这一点。",
    ),
    decided_by: &[Kind::ReplyReceived, Kind::SilenceAfter],
    hinted_by: &[],
};

pub(crate) static EPSV_ONLY_TEXT: Entry = Entry {
    id: "epsv-only-text",
    summary: Text::of(
        "A firewall or NAT in between opens the ports of PASV replies only: EPSV is answered, its port is dead.",
        "途中的防火墙或 NAT 只按 PASV 应答放行端口：EPSV 有应答，但其端口不通。",
    ),
    fix: Fix::NOBODY.client(
        "Fall back to PASV after the connection to EPSV's port failed too, and remember that.",
        "连接 EPSV 的端口失败后也要退回到 PASV，并记住这一点。",
    ),
    decided_by: &[Kind::ExtendedPortDead],
    hinted_by: &[Kind::SynUnanswered],
};

pub(crate) static EPSV_ALL: Entry = Entry {
    id: "epsv-all",
    summary: Text::of(
        "The client sent EPSV ALL, after which the server refuses every other way to open a connection.",
        "客户端发送了 EPSV ALL，此后服务器拒绝其他任何建立连接的方式。",
    ),
    fix: Fix::NOBODY
        .client(
            "Stay with EPSV for the rest of the session, or do not send EPSV ALL.",
            "在会话余下的时间里一直使用 EPSV，或不要发送 EPSV ALL。",
        )
        .middle(
            "Send no EPSV ALL of your own in the name of a client.",
            "不要以客户端的名义自行发送 EPSV ALL。",
        ),
    decided_by: &[Kind::RefusedAfterEpsvAll, Kind::ReplyReceived],
    hinted_by: &[],
};

pub(crate) static MALFORMED_REPLY: Entry = Entry {
    id: "malformed-reply",
    summary: Text::of("The server's 227 or 229 reply does not say in a readable form where to connect.", "服务器的 227 或 229 应答没有以可读的格式说明连接到哪里。"),
    fix: Fix::NOBODY.client("Read the reply with more tolerance, or use the other of PASV and EPSV.", "更宽松地解析该应答，或改用 PASV 与 EPSV 中的另一个。").server("Send `227 … (h1,h2,h3,h4,p1,p2)` and `229 … (|||port|)` exactly as RFC 959 and RFC 2428 have them.", "严格按照 RFC 959 和 RFC 2428 的格式发送 `227 … (h1,h2,h3,h4,p1,p2)` 和 `229 … (|||port|)`。"),
    decided_by: &[Kind::ReplyUnreadable],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static FAMILY_MISMATCH: Entry = Entry {
    id: "family-mismatch",
    summary: Text::of(
        "The command is for another address family than the one of the control connection.",
        "该命令所用的地址族与控制连接的地址族不同。",
    ),
    fix: Fix::NOBODY.client(
        "Use EPSV, or EPRT with an address of the family that the control connection has.",
        "使用 EPSV，或在 EPRT 中使用与控制连接相同地址族的地址。",
    ),
    decided_by: &[Kind::FamilyDiffers],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static NAT64: Entry = Entry {
    id: "nat64",
    summary: Text::of(
        "An IPv6 client reaches an IPv4 server through NAT64, where PASV, PORT and EPRT tell addresses of the wrong family and only EPSV can work.",
        "IPv6 客户端经 NAT64 访问 IPv4 服务器：PASV、PORT 和 EPRT 携带的地址属于错误的地址族，只有 EPSV 能够工作。",
    ),
    fix: Fix::NOBODY
        .client(
            "Use EPSV without an argument: active mode cannot work through NAT64, and EPSV 2 asks the server for IPv6.",
            "使用不带参数的 EPSV：主动模式无法穿过 NAT64，而 EPSV 2 是要求服务器使用 IPv6。",
        )
        .server(
            "Enable EPSV on IPv4 too: it is the only command that works through NAT64.",
            "在 IPv4 上也启用 EPSV：它是唯一能穿过 NAT64 的命令。",
        ),
    decided_by: &[Kind::TranslatedPeer],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static NO_NEGOTIATION: Entry = Entry {
    id: "no-negotiation",
    summary: Text::of(
        "A transfer was asked for without agreeing on a data connection first.",
        "在没有先协商数据连接的情况下请求了传输。",
    ),
    fix: Fix::NOBODY
        .client(
            "Send EPSV, PASV, EPRT or PORT before each transfer: one agreement serves one transfer.",
            "每次传输前都要发送 EPSV、PASV、EPRT 或 PORT：一次协商只用于一次传输。",
        )
        .middle(
            "Let PORT, EPRT, PASV and EPSV pass to the server, and answer none of them in its place.",
            "把 PORT、EPRT、PASV 和 EPSV 传给服务器，不要代替服务器应答。",
        ),
    decided_by: &[Kind::NotNegotiated, Kind::AgreementLost],
    hinted_by: &[Kind::ReplyReceived],
};
