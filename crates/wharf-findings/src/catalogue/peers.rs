//! Who is connecting, and to whom.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static DATA_PEER_MISMATCH: Entry = Entry {
    id: "data-peer-mismatch",
    summary: Text::of(
        "The data connection comes from another address than the control connection, and was closed for safety.",
        "数据连接与控制连接来自不同的地址，出于安全考虑已被关闭。",
    ),
    fix: Fix::NOBODY
        .server(
            "Allow the client's network as a whole, or use the PROXY protocol where a proxy stands in front.",
            "允许客户端所在的整个网段；前面有代理时使用 PROXY 协议。",
        )
        .middle(
            "Let all connections of one client leave from one address (sticky egress).",
            "让同一客户端的所有连接从同一个地址出网（固定出口地址）。",
        ),
    decided_by: &[Kind::PeerDiffers],
    hinted_by: &[Kind::ReplyReceived, Kind::ClosedWithoutReply],
};

pub(crate) static WRONG_BACKEND: Entry = Entry {
    id: "wrong-backend",
    summary: Text::of("A balancer sends the data connection to another node than the one with the control connection.", "负载均衡器把数据连接送到了与控制连接不同的节点。"),
    fix: Fix::NOBODY.middle("Keep a client's connections on one node (source affinity), or give each node a block of passive ports of its own.", "让同一客户端的连接保持在同一节点上（源地址会话保持），或为每个节点分配各自的被动端口段。"),
    decided_by: &[Kind::FailsIntermittently],
    hinted_by: &[Kind::ConnectRefused, Kind::SynUnanswered],
};

pub(crate) static STOLEN_ACCEPT: Entry = Entry {
    id: "stolen-accept",
    summary: Text::of(
        "A scanner or a health check takes the passive connection that was meant for the client.",
        "扫描器或健康检查抢占了本应属于客户端的被动连接。",
    ),
    fix: Fix::NOBODY.server(
        "Check who connects to a data port, drop strangers, and go on listening for the rightful client.",
        "检查是谁连接了数据端口，丢弃陌生连接，并继续等待真正的客户端。",
    ),
    decided_by: &[Kind::StrangerConnected, Kind::TakenByAnother],
    hinted_by: &[Kind::EmptyTransfers, Kind::FailsIntermittently],
};

pub(crate) static RANGE_EXHAUSTED: Entry = Entry {
    id: "range-exhausted",
    summary: Text::of(
        "Every port of the server's passive range is in use.",
        "服务器被动端口范围内的端口已全部被占用。",
    ),
    fix: Fix::NOBODY.server(
        "Enlarge the passive range, or let several clients share a port, told apart by their addresses.",
        "扩大被动端口范围，或让多个客户端共用端口（以地址区分）。",
    ),
    decided_by: &[Kind::AllPortsInUse],
    hinted_by: &[Kind::ReplyReceived, Kind::FailsIntermittently],
};

pub(crate) static PORTS_UNPUBLISHED: Entry = Entry {
    id: "ports-unpublished",
    summary: Text::of("The container or Service in which the server runs does not publish its passive ports.", "服务器所在的容器或 Service 没有发布被动端口。"),
    fix: Fix::NOBODY
        .server("Set a small passive range, and publish the same range with the same numbers in the container or Service.", "设置较小的被动端口范围，并在容器或 Service 中以相同的端口号发布同一范围。"),
    decided_by: &[Kind::NeverAccepted],
    hinted_by: &[Kind::ContainerAddress, Kind::ReplyReceived, Kind::ConnectRefused, Kind::SynUnanswered],
};

pub(crate) static BOUNCE_REFUSED: Entry = Entry {
    id: "bounce-refused",
    summary: Text::of(
        "The server refuses to connect to another host than the client, or to a port below 1024.",
        "服务器拒绝连接客户端以外的主机，或拒绝连接 1024 以下的端口。",
    ),
    fix: Fix::NOBODY
        .client(
            "Name the client's own address and a port from 1024 on.",
            "使用客户端自己的地址和 1024 及以上的端口。",
        )
        .server(
            "Keep refusing: such a connection is how a server is misused against others.",
            "继续拒绝：这样的连接正是服务器被用来攻击他人的手段。",
        ),
    decided_by: &[Kind::IllegalEndpoint],
    hinted_by: &[Kind::ReplyReceived],
};
