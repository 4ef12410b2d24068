//! TLS on the control and the data connection.

use super::Entry;
use crate::EvidenceKind as Kind;
use crate::{Fix, Text};

pub(crate) static TLS_RESUMPTION_REQUIRED: Entry = Entry {
    id: "tls-resumption-required",
    summary: Text::of("The server wants the data connection to resume the control connection's TLS session.", "服务器要求数据连接恢复（复用）控制连接的 TLS 会话。"),
    fix: Fix::NOBODY
        .client("Resume the control connection's TLS session on each data connection, or use a client that does.", "在每个数据连接上恢复控制连接的 TLS 会话，或使用能做到这一点的客户端。")
        .server("Relax the requirement for clients that cannot resume, knowing that it protects against stolen data.", "对无法恢复会话的客户端放宽该要求；须知该要求可防止数据被窃取。"),
    decided_by: &[Kind::SessionNotResumed],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static PROT_MISMATCH: Entry = Entry {
    id: "prot-mismatch",
    summary: Text::of(
        "One side speaks TLS on the data connection, the other speaks in clear.",
        "在数据连接上，一方使用 TLS，另一方使用明文。",
    ),
    fix: Fix::NOBODY.client(
        "Send PBSZ 0 and PROT P after the login, and encrypt every data connection from then on.",
        "登录后发送 PBSZ 0 和 PROT P，此后加密每个数据连接。",
    ),
    decided_by: &[Kind::ClearAgainstTls],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static MISSING_CLOSE_NOTIFY: Entry = Entry {
    id: "missing-close-notify",
    summary: Text::of("A data connection under TLS ended without close_notify, so that nobody can tell a whole file from a cut one.", "TLS 数据连接结束时没有 close_notify，因此无法分辨文件是完整的还是被截断的。"),
    fix: Fix::NOBODY
        .client("Send close_notify before closing after an upload; after a download tolerate its absence if the size fits.", "上传结束后先发送 close_notify 再关闭；下载后如果大小相符，可容忍其缺失。")
        .server("Send close_notify before closing after a download; after an upload tolerate its absence if the size fits.", "下载结束后先发送 close_notify 再关闭；上传后如果大小相符，可容忍其缺失。"),
    decided_by: &[Kind::ClosedWithoutNotify],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static TLS_ORDER_DEADLOCK: Entry = Entry {
    id: "tls-order-deadlock",
    summary: Text::of(
        "Client and server each wait for the other to begin: no TLS handshake, no 1yz reply.",
        "客户端和服务器都在等待对方先开始：既没有 TLS 握手，也没有 1yz 应答。",
    ),
    fix: Fix::NOBODY.client(
        "Begin the TLS handshake as soon as the data connection is up, without waiting for the 1yz reply.",
        "数据连接一建立就开始 TLS 握手，不要等待 1yz 应答。",
    ),
    decided_by: &[Kind::NoHandshake],
    hinted_by: &[Kind::ReplyReceived, Kind::SilenceAfter],
};

pub(crate) static TLS_NO_COMMON_VERSION: Entry = Entry {
    id: "tls-no-common-version",
    summary: Text::of("Client and server have no TLS version or cipher in common; old devices often stop at TLS 1.0.", "客户端和服务器没有共同的 TLS 版本或加密套件；旧设备往往只支持到 TLS 1.0。"),
    fix: Fix::NOBODY
        .client("Update the client, so that it can do TLS 1.2 or later with current ciphers.", "升级客户端，使其支持 TLS 1.2 或更高版本以及现行的加密套件。")
        .server("Lower the setting `min_version` where the server's TLS library can still speak the older version.", "如果服务器的 TLS 库仍支持旧版本，可调低 `min_version` 设置。"),
    decided_by: &[Kind::TlsAlert],
    hinted_by: &[Kind::ReplyReceived],
};

pub(crate) static CERTIFICATE_INVALID: Entry = Entry {
    id: "certificate-invalid",
    summary: Text::of(
        "The server's certificate is expired, was made for another name, or has an unknown issuer.",
        "服务器的证书已过期、与名称不符，或签发者未知。",
    ),
    fix: Fix::NOBODY
        .client(
            "Use the name that is in the certificate, or name the issuer's certificate with `--ca`.",
            "使用证书中的名称，或用 `--ca` 指定签发者的证书。",
        )
        .server(
            "Install a valid certificate for the name that clients use, with all intermediate certificates.",
            "安装有效的证书，其名称须与客户端所用的一致，并附上全部中间证书。",
        ),
    decided_by: &[Kind::CertificateRejected],
    hinted_by: &[Kind::ReplyReceived, Kind::TlsAlert],
};

pub(crate) static TLS_REQUIRED: Entry = Entry {
    id: "tls-required",
    summary: Text::of(
        "The server's policy wants TLS before a login or before data is moved.",
        "服务器的策略要求在登录或传输数据之前先启用 TLS。",
    ),
    fix: Fix::NOBODY.client(
        "Send AUTH TLS before the login: `--tls require`, or a URL that begins with ftpes://.",
        "登录前发送 AUTH TLS：使用 `--tls require`，或以 ftpes:// 开头的 URL。",
    ),
    decided_by: &[Kind::ReplyReceived],
    hinted_by: &[],
};
