//! Time, size, policy.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static CONTROL_CUT_IDLE: Entry = Entry {
    id: "control-cut-idle",
    summary: Text::of(
        "The control connection was cut off because nothing went over it during a long transfer or pause.",
        "在长时间传输或停顿期间，控制连接上没有任何数据，因而被切断。",
    ),
    fix: Fix::NOBODY
        .client(
            "Keep the control connection alive, with TCP keepalive or with NOOP between transfers.",
            "保持控制连接活动：使用 TCP keepalive，或在传输之间发送 NOOP。",
        )
        .server(
            "Run no idle timer during a transfer, and switch TCP keepalive on for control connections.",
            "传输期间不启用空闲计时，并为控制连接启用 TCP keepalive。",
        ),
    decided_by: &[Kind::CompletionMissing, Kind::DeadAfterIdle],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static SLOW_COMPLETION: Entry = Entry {
    id: "slow-completion",
    summary: Text::of(
        "The server takes longer to finish a file than the client waits for the closing reply.",
        "服务器完成文件所需的时间，比客户端等待结束应答的时间更长。",
    ),
    fix: Fix::NOBODY.client(
        "Wait longer for the reply after the data has ended: raise the timeout.",
        "数据结束后等待更久：调高超时时间。",
    ),
    decided_by: &[Kind::CompletionLate],
    hinted_by: &[Kind::SilenceAfter],
};

pub(crate) static SESSION_LIMIT: Entry = Entry {
    id: "session-limit",
    summary: Text::of(
        "The server has as many sessions as it allows, in all, for this user or from this address.",
        "服务器的会话数已达上限（总数、该用户的或来自该地址的）。",
    ),
    fix: Fix::NOBODY
        .client(
            "Use fewer connections at once, and end the ones that are not needed.",
            "减少同时使用的连接，并结束不再需要的连接。",
        )
        .server(
            "Raise the session limit, or shorten the idle time after which a session ends.",
            "调高会话数上限，或缩短会话的空闲超时。",
        ),
    decided_by: &[Kind::ReplyReceived, Kind::SessionsAtLimit],
    hinted_by: &[],
};

pub(crate) static MTU_BLACK_HOLE: Entry = Entry {
    id: "mtu-black-hole",
    summary: Text::of(
        "Packets of full size vanish on the way while small ones arrive.",
        "满长的数据包在途中消失，而短包可以到达。",
    ),
    fix: Fix::NOBODY.middle(
        "Clamp the TCP maximum segment size to the path, and let ICMP (packet too big) pass.",
        "按路径钳制 TCP 的 MSS，并放行 ICMP（packet too big）。",
    ),
    decided_by: &[Kind::FullSegmentsLost, Kind::SmallSegmentsPass],
    hinted_by: &[Kind::ReplyReceived, Kind::DataCut, Kind::NothingSent],
};

pub(crate) static TRANSFER_CUT: Entry = Entry {
    id: "transfer-cut",
    summary: Text::of(
        "A data connection was cut or lost its packets in the middle of a transfer.",
        "数据连接在传输途中被切断，或丢失了数据包。",
    ),
    fix: Fix::NOBODY.middle(
        "Find the device that resets or loses long connections, and raise its timeouts or its capacity.",
        "找出复位长连接或丢包的设备，并调高其超时或容量。",
    ),
    decided_by: &[Kind::DataCut, Kind::SegmentsLost],
    hinted_by: &[Kind::ReplyReceived, Kind::NothingSent],
};

pub(crate) static SERVER_MISCONFIGURED: Entry = Entry {
    id: "server-misconfigured",
    summary: Text::of(
        "The server says itself that its configuration is wrong.",
        "服务器自己报告其配置有误。",
    ),
    fix: Fix::NOBODY.server(
        "Correct the setting that the server's own message names.",
        "更正服务器报错信息中指出的设置。",
    ),
    decided_by: &[Kind::ReplyReceived],
    hinted_by: &[],
};

pub(crate) static CONTROL_UNREACHABLE: Entry = Entry {
    id: "control-unreachable",
    summary: Text::of("There is no control connection: no answer, a refusal, or a connection without a greeting.", "没有控制连接：没有应答、被拒绝，或连接后没有欢迎信息。"),
    fix: Fix::NOBODY
        .client("Use the port and the mode that the server has: 21 for ftp and explicit TLS, 990 for implicit TLS.", "使用服务器实际的端口和方式：ftp 和显式 TLS 为 21，隐式 TLS 为 990。")
        .server("Start the server on this port, and expect a PROXY header only where the balancer sends one.", "在该端口上启动服务器；仅在负载均衡器确实发送 PROXY 头时才要求 PROXY 头。")
        .middle("Let TCP connections to the server's control port pass.", "放行到服务器控制端口的 TCP 连接。"),
    decided_by: &[
        Kind::SynUnanswered,
        Kind::ConnectRefused,
        Kind::ResetReceived,
        Kind::ProhibitedByIcmp,
        Kind::ConnectForbidden,
        Kind::ConnectedWithoutBanner,
    ],
    hinted_by: &[],
};

pub(crate) static ASCII_DAMAGED: Entry = Entry {
    id: "ascii-damaged",
    summary: Text::of(
        "A binary file was moved as text (TYPE A) and is damaged.",
        "二进制文件以文本方式（TYPE A）传输，已被损坏。",
    ),
    fix: Fix::NOBODY
        .client(
            "Send TYPE I before each transfer of a file that is not text.",
            "传输非文本文件之前，每次都要发送 TYPE I。",
        )
        .server(
            "Set `ascii = \"binary\"`, so that clients which never send TYPE I do no damage.",
            "设置 `ascii = \"binary\"`，使从不发送 TYPE I 的客户端不会造成损坏。",
        )
        .middle(
            "Let TYPE I pass as it is: it is what keeps files whole that are not text.",
            "让 TYPE I 原样通过：正是它保证非文本文件不被改动。",
        ),
    decided_by: &[Kind::BinaryInAscii, Kind::ReplyReceived],
    hinted_by: &[],
};

pub(crate) static NOT_NETWORK: Entry = Entry {
    id: "not-network",
    summary: Text::of(
        "The network is fine: the file is missing, a permission is lacking, or a quota or disk is full.",
        "网络没有问题：文件不存在、缺少权限，或配额、磁盘已满。",
    ),
    fix: Fix::NOBODY
        .client(
            "Check the path and its spelling, and whether this user may do what was asked.",
            "检查路径及其拼写，以及该用户是否有权执行该操作。",
        )
        .server(
            "Check the permissions, the quota and the free space of the directory.",
            "检查目录的权限、配额和剩余空间。",
        ),
    decided_by: &[Kind::ReplyReceived, Kind::StorageRefused],
    hinted_by: &[],
};
