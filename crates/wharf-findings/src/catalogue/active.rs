//! Active mode.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static PORT_UNROUTABLE: Entry = Entry {
    id: "port-unroutable",
    summary: Text::of("The client's PORT or EPRT names an address to which the server cannot connect.", "客户端的 PORT 或 EPRT 所给的地址，服务器无法连接。"),
    fix: Fix::NOBODY
        .client("Use passive mode, or tell the client its outside address and a port range that is forwarded to it.", "使用被动模式，或在命令中告知公网地址以及已映射到本机的端口范围。")
        .server("Connect to the address of the control connection when the client names a private one, if policy allows.", "在策略允许时，如果客户端给出私有地址，则改为连接控制连接的对端地址。"),
    decided_by: &[Kind::UnroutableAddressSent, Kind::PrivateAddressSent],
    hinted_by: &[Kind::ReplyReceived, Kind::SynUnanswered, Kind::ConnectForbidden, Kind::ResetReceived],
};

pub(crate) static CLIENT_REFUSES_INBOUND: Entry = Entry {
    id: "client-refuses-inbound",
    summary: Text::of("The client's firewall or NAT does not let the server's data connection in.", "客户端的防火墙或 NAT 不放行服务器发起的数据连接。"),
    fix: Fix::NOBODY.client("Use passive mode, or let connections from the server's port 20 reach the port at which the client listens.", "使用被动模式，或放行从服务器 20 端口到客户端监听端口的入站连接。"),
    decided_by: &[Kind::SynDropped, Kind::SynUnanswered, Kind::ConnectRefused, Kind::ResetReceived, Kind::ProhibitedByIcmp],
    hinted_by: &[Kind::ReplyReceived, Kind::NoSynArrived],
};

pub(crate) static SERVER_EGRESS_BLOCKED: Entry = Entry {
    id: "server-egress-blocked",
    summary: Text::of(
        "The server, or a firewall before it, lets no connection out to the client.",
        "服务器或其前面的防火墙不允许向客户端发起连接。",
    ),
    fix: Fix::NOBODY
        .client(
            "Use passive mode, in which the server does not connect out.",
            "使用被动模式：在该模式下服务器不对外发起连接。",
        )
        .server(
            "Allow outgoing TCP connections from the server's port 20 to any port from 1024 on.",
            "允许从服务器 20 端口到 1024 及以上端口的出站 TCP 连接。",
        ),
    decided_by: &[Kind::NoSynArrived, Kind::ConnectForbidden],
    hinted_by: &[Kind::ReplyReceived, Kind::SynUnanswered],
};

pub(crate) static SOURCE_PORT_FILTERED: Entry = Entry {
    id: "source-port-filtered",
    summary: Text::of("A filter at the client wants data connections from port 20, and the server does not or cannot use that port.", "客户端侧的过滤规则要求数据连接来自 20 端口，而服务器没有使用或无法使用该端口。"),
    fix: Fix::NOBODY
        .server("Connect from port 20 in active mode; the server needs the right to bind ports below 1024 for it.", "在主动模式下从 20 端口发起连接；为此服务器需要绑定 1024 以下端口的权限。")
        .middle("Match the state of the connection (related, established) instead of source port 20.", "按连接状态（related、established）匹配，而不是按源端口 20 匹配。"),
    decided_by: &[Kind::SynFromOtherPort, Kind::BindRefused],
    hinted_by: &[Kind::SynUnanswered, Kind::ReplyReceived],
};

pub(crate) static MODE_DISABLED: Entry = Entry {
    id: "mode-disabled",
    summary: Text::of(
        "The server offers only one of the two modes, and it is not the one that was asked for.",
        "服务器只提供两种模式中的一种，而所请求的不是这一种。",
    ),
    fix: Fix::NOBODY.client(
        "Use the other mode: passive where PORT and EPRT are refused, active where PASV and EPSV are.",
        "使用另一种模式：PORT 和 EPRT 被拒绝时用被动模式，PASV 和 EPSV 被拒绝时用主动模式。",
    ),
    decided_by: &[Kind::ReplyReceived],
    hinted_by: &[],
};
