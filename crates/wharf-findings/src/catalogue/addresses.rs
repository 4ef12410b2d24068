//! Addresses and ports.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static PASV_PRIVATE_ADDRESS: Entry = Entry {
    id: "pasv-private-address",
    summary: Text::of(
        "The server's PASV reply carries a private address, which cannot be reached from where the client is.",
        "服务器的 PASV 应答中携带私有地址，从客户端所在的网络无法到达该地址。",
    ),
    fix: Fix::NOBODY
        .client(
            "Connect to the address of the control connection instead of the one in the reply, or use EPSV.",
            "改为连接控制连接所用的地址，不使用应答中的地址；或改用 EPSV。",
        )
        .server(
            "Advertise the outside address in passive mode, by number or by a name that follows it.",
            "为被动模式配置对外公布的公网地址，可填写 IP，也可填写随地址更新的域名。",
        ),
    decided_by: &[Kind::PrivateAddressTold],
    hinted_by: &[Kind::SynUnanswered, Kind::ReplyReceived],
};

pub(crate) static PASV_WRONG_ADDRESS: Entry = Entry {
    id: "pasv-wrong-address",
    summary: Text::of(
        "The server's PASV reply carries a public address that is not the server's.",
        "服务器的 PASV 应答中携带的公网地址不是该服务器的地址。",
    ),
    fix: Fix::NOBODY.server(
        "Correct the address that is advertised in passive mode: it must lead to this server.",
        "更正被动模式对外公布的地址：该地址必须能到达本服务器。",
    ),
    decided_by: &[Kind::OtherAddressConnects],
    hinted_by: &[
        Kind::SynUnanswered,
        Kind::ConnectRefused,
        Kind::ResetReceived,
        Kind::ProhibitedByIcmp,
        Kind::NeverAccepted,
    ],
};

pub(crate) static HAIRPIN: Entry = Entry {
    id: "hairpin",
    summary: Text::of("The server advertises its outside address to a client of its own network, and the router does not lead such \
         connections back in.", "服务器向同一内网中的客户端公布了公网地址，而路由器不会把这样的连接转回内网。"),
    fix: Fix::NOBODY
        .server("Advertise the inside address to clients of the inside network, and the outside one to all others.", "对内网客户端公布内网地址，对其他客户端公布公网地址。")
        .middle("Switch NAT loopback (hairpin NAT) on for the control port and the passive range.", "为控制端口和被动端口范围启用 NAT 回环（hairpin NAT）。"),
    decided_by: &[Kind::SameNetwork],
    hinted_by: &[Kind::SynUnanswered, Kind::ConnectRefused],
};

pub(crate) static PASSIVE_PORT_FILTERED: Entry = Entry {
    id: "passive-port-filtered",
    summary: Text::of(
        "A firewall drops connections to the server's passive data port without a word.",
        "防火墙静默丢弃了到服务器被动数据端口的连接。",
    ),
    fix: Fix::NOBODY
        .server(
            "Set a fixed range of passive ports and open it for incoming TCP in the server's own firewall.",
            "设置固定的被动端口范围，并在服务器自身的防火墙上放行这些端口的入站 TCP 连接。",
        )
        .middle(
            "Let TCP connections to the server's passive port range pass.",
            "放行到服务器被动端口范围的 TCP 连接。",
        ),
    decided_by: &[Kind::SynUnanswered],
    hinted_by: &[Kind::ReplyReceived, Kind::NeverAccepted],
};

pub(crate) static PASSIVE_PORT_REFUSED: Entry = Entry {
    id: "passive-port-refused",
    summary: Text::of("Nothing listens on the passive data port at that address, or a firewall rejects it.", "该地址的被动数据端口上没有程序监听，或连接被防火墙拒绝。"),
    fix: Fix::NOBODY
        .server("Map the passive ports to this server, each to the same number, or correct the mapping that exists.", "把被动端口逐一映射到本服务器的相同端口，或更正现有的端口映射。")
        .middle("Change the rule that rejects TCP connections to the server's passive port range.", "修改拒绝到服务器被动端口范围的 TCP 连接的规则。"),
    decided_by: &[Kind::ConnectRefused, Kind::ResetReceived, Kind::ProhibitedByIcmp],
    hinted_by: &[Kind::ReplyReceived, Kind::NeverAccepted],
};

pub(crate) static PORT_RENUMBERED: Entry = Entry {
    id: "port-renumbered",
    summary: Text::of(
        "A device in front of the server maps the passive ports to other numbers than the reply names.",
        "服务器前的设备把被动端口映射成了与应答中不同的端口号。",
    ),
    fix: Fix::NOBODY.server(
        "Tell the server how the ports are mapped, so that it advertises the outside port of each.",
        "告知服务器端口的映射关系，使其公布每个端口对应的外部端口号。",
    ),
    decided_by: &[Kind::PortsDiffer, Kind::PortOutsideRange],
    hinted_by: &[Kind::SynUnanswered, Kind::ConnectRefused, Kind::ResetReceived, Kind::NeverAccepted],
};

pub(crate) static ALG_REWRITE: Entry = Entry {
    id: "alg-rewrite",
    summary: Text::of(
        "A gateway in between changes the address or port in PORT, EPRT or their replies, and gets it wrong.",
        "途中的网关改写了 PORT、EPRT 或其应答中的地址或端口，且改写有误。",
    ),
    fix: Fix::NOBODY
        .client(
            "Use EPSV, which carries no address, or TLS, which no gateway can rewrite.",
            "使用 EPSV（其应答不携带地址），或使用 TLS（任何网关都无法改写）。",
        )
        .middle(
            "Switch the FTP application-level gateway (often called FTP ALG, helper or inspection) off.",
            "关闭 FTP 应用层网关（常称为 FTP ALG、helper 或 inspection）。",
        ),
    decided_by: &[Kind::TextRewritten],
    hinted_by: &[Kind::PortsDiffer, Kind::OtherAddressConnects],
};

pub(crate) static TLS_BLINDS_ALG: Entry = Entry {
    id: "tls-blinds-alg",
    summary: Text::of(
        "The NAT opens data connections by reading the control connection, and TLS hides that from it.",
        "NAT 设备靠读取控制连接来放行数据连接，而 TLS 使其无法读取。",
    ),
    fix: Fix::NOBODY
        .client(
            "Use passive mode: with active mode and TLS no NAT can know the client's port.",
            "使用被动模式：在主动模式加 TLS 时，任何 NAT 设备都无法得知客户端的端口。",
        )
        .server(
            "Set a fixed range of passive ports, forward it, and advertise the outside address.",
            "设置固定的被动端口范围，做好端口映射，并公布公网地址。",
        ),
    decided_by: &[Kind::FailsUnderTlsOnly],
    hinted_by: &[Kind::AddressNotRewritten, Kind::SynUnanswered],
};

pub(crate) static ALG_NOT_ATTACHED: Entry = Entry {
    id: "alg-not-attached",
    summary: Text::of("The NAT has no FTP helper on this control connection, so the client's PORT goes out unchanged.", "NAT 设备没有为此控制连接启用 FTP helper，客户端的 PORT 未经改写就发了出去。"),
    fix: Fix::NOBODY.client("Use passive mode, which needs no helper at the client's NAT.", "使用被动模式：它不需要客户端侧 NAT 的 helper。").middle("Attach the FTP helper to the control port that is used: current Linux kernels want `ct helper set` \
             (nftables) or `-j CT --helper ftp` (iptables).", "为实际使用的控制端口启用 FTP helper：当前的 Linux 内核需要 `ct helper set`（nftables）或 `-j CT --helper ftp`（iptables）。"),
    decided_by: &[Kind::AddressNotRewritten],
    hinted_by: &[Kind::ReplyReceived, Kind::UnroutableAddressSent, Kind::PrivateAddressSent],
};

pub(crate) static ALG_DROPS: Entry = Entry {
    id: "alg-drops",
    summary: Text::of(
        "A gateway in between drops the segment with the command or reply, because it cannot read it.",
        "途中的网关无法解析该命令或应答，丢弃了承载它的报文段。",
    ),
    fix: Fix::NOBODY
        .client(
            "Send each command as one segment of its own, without commands pipelined around it.",
            "每条命令单独用一个报文段发送，前后不要夹带流水线命令。",
        )
        .server(
            "Send each reply as one segment of its own that ends with the line.",
            "每条应答单独用一个报文段发送，并以行尾结束。",
        ),
    decided_by: &[Kind::SegmentUnacknowledged],
    hinted_by: &[Kind::SilenceAfter],
};

pub(crate) static PORT_TAKEN_BY_OTHER_ALG: Entry = Entry {
    id: "port-taken-by-other-alg",
    summary: Text::of(
        "One port of the range belongs to another protocol, such as 5060 of SIP, whose gateway spoils the data.",
        "端口范围中有一个端口属于其他协议（例如 SIP 的 5060），该协议的网关破坏了数据。",
    ),
    fix: Fix::NOBODY.server(
        "Choose a range of passive ports that leaves this port out.",
        "选择不含该端口的被动端口范围。",
    ),
    decided_by: &[Kind::SamePortFails],
    hinted_by: &[Kind::FailsIntermittently],
};
