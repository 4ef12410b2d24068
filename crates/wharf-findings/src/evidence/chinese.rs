//! Each fact as one Chinese sentence on one line.

use core::time::Duration;

use super::sentence::{escape, other};
use super::{Evidence, Side};

/// `evidence` in simplified Chinese; texts of a peer are quoted and escaped, so that they cannot forge a line of a log.
pub(super) fn sentence(evidence: &Evidence) -> String {
    use Evidence as E;
    match evidence {
        E::PrivateAddressTold { told, control_peer } => {
            format!("应答给出的 {told} 是私有地址，而控制连接的对端是 {control_peer}。")
        }
        E::OtherAddressConnects { told, connected } => {
            format!("连接应答给出的 {told} 失败，而连接 {connected} 成功。")
        }
        E::SameNetwork { client, server, told } => {
            format!("客户端 {client} 与服务器 {server} 在同一内网，而应答给出的 {told} 在该网络之外。")
        }
        E::SynUnanswered { endpoint, waited } => {
            format!("向 {endpoint} 发起的连接在 {}内没有任何应答。", time(*waited))
        }
        E::ConnectRefused { endpoint, error } => {
            format!("向 {endpoint} 发起的连接被拒绝：{}。", quoted(error))
        }
        E::ResetReceived { endpoint, ttl, control_ttl } if ttl == control_ttl => {
            format!("{endpoint} 复位了连接，该 RST（TTL {ttl}）与该主机其他数据包经过的跳数相同。")
        }
        E::ResetReceived { endpoint, ttl, control_ttl } => format!(
            "以 {endpoint} 的名义发来的 RST 的 TTL 为 {ttl}，而该主机其他数据包的 TTL 为 {control_ttl}：它是中间设备发出的。"
        ),
        E::ProhibitedByIcmp { endpoint, sender, message } => {
            format!("{sender} 对发往 {endpoint} 的连接回以 ICMP 消息 {}。", quoted(message))
        }
        E::PortOutsideRange { told, first, last } => {
            format!("应答给出的端口是 {told}，而对外开放的端口是 {first} 至 {last}。")
        }
        E::PortsDiffer { told, listening } => {
            format!("告知客户端的端口是 {told}，而服务器监听的端口是 {listening}。")
        }
        E::TextRewritten { sent, received } => {
            format!("发送的是 {}，收到的却是 {}。", quoted(sent), quoted(received))
        }
        E::FailsUnderTlsOnly { verb, endpoint } => {
            format!("{} 在明文时可用，在 TLS 下失败（{endpoint}）。", escape(verb))
        }
        E::AddressNotRewritten { verb, told, control_source } => format!(
            "{} 到达时携带的是 {told}，而控制连接来自 {control_source}：途中没有设备改写它。",
            escape(verb)
        ),
        E::SegmentUnacknowledged { line, times } => {
            format!("承载 {} 的报文段发送了 {times} 次，始终没有得到确认。", quoted(line))
        }
        E::SamePortFails { port, failures } => {
            format!("全部 {failures} 次失败都发生在端口 {port}，其他端口正常。")
        }
        E::UnroutableAddressSent { told, control_source } if told.ip() == *control_source => {
            format!("客户端要求连接到 {told}，即它自己的地址，而这是私有地址。")
        }
        E::UnroutableAddressSent { told, control_source } => {
            format!("客户端要求连接到 {told}，而它的控制连接来自 {control_source}。")
        }
        E::PrivateAddressSent { verb, told, control_peer } => {
            format!("{} 给出的 {told} 是私有地址，而服务器 {control_peer} 在公网上。", escape(verb))
        }
        E::NoSynArrived { endpoint, waited } => {
            format!("客户端在 {endpoint} 监听了 {}，没有收到任何连接请求。", time(*waited))
        }
        E::ConnectForbidden { endpoint, error } => {
            format!("服务器自身的系统禁止连接 {endpoint}：{}。", quoted(error))
        }
        E::SynDropped { source, endpoint } => {
            format!("来自 {source} 的连接请求到达了本机，但本机没有让它进入 {endpoint}。")
        }
        E::SynFromOtherPort { source, endpoint } => {
            format!("从 {source}（不是 20 端口）向 {endpoint} 发起的连接没有得到应答。")
        }
        E::BindRefused { port, error } => {
            format!("系统不允许使用本地端口 {port}：{}。", quoted(error))
        }
        E::ReplyReceived { verb, reply } if verb.is_empty() => format!("服务器说：{}。", quoted(reply)),
        E::ReplyReceived { verb, reply } => format!("服务器对 {} 的应答是 {}。", escape(verb), quoted(reply)),
        E::SilenceAfter { verb, waited } => {
            format!("服务器在 {}内没有应答 {}。", time(*waited), escape(verb))
        }
        E::ExtendedPortDead { extended, classic } => {
            format!("连接 EPSV 给出的 {extended} 失败，而连接 PASV 给出的 {classic} 成功。")
        }
        E::RefusedAfterEpsvAll { verb, reply } => {
            format!("在 EPSV ALL 之后，服务器对 {} 的应答是 {}。", escape(verb), quoted(reply))
        }
        E::ReplyUnreadable { reply, problem } => {
            format!("无法解析应答 {}：{}。", quoted(reply), escape(problem))
        }
        E::FamilyDiffers { verb, control_peer } => format!(
            "{} 在对端为 {control_peer} 的控制连接上不可能工作，该连接是 {}。",
            escape(verb),
            if control_peer.is_ipv4() { "IPv4" } else { "IPv6" }
        ),
        E::TranslatedPeer { control_peer } => {
            format!("服务器的地址 {control_peer} 是 NAT64 由 IPv4 地址生成的。")
        }
        E::NotNegotiated { verb } => {
            format!("自上次传输以来没有发送 PORT、PASV、EPRT 或 EPSV，就发送了 {}。", escape(verb))
        }
        E::AgreementLost { verb, agreed, reply } => format!(
            "{} 得到的应答是 {}，而其后的传输得到的应答是 {}：服务器对已协商的内容一无所知。",
            escape(verb),
            quoted(agreed),
            quoted(reply)
        ),
        E::PeerDiffers { control_peer, data_peer } => {
            format!("数据连接来自 {data_peer}，控制连接的对端是 {control_peer}。")
        }
        E::NothingSent { endpoint, waited } => {
            format!("到 {endpoint} 的数据连接保持了 {}，没有传送一个字节。", time(*waited))
        }
        E::ClosedWithoutReply { endpoint, waited } => {
            format!("服务器在 {endpoint} 接受了数据连接，随即将其关闭，并在 {}内没有应答。", time(*waited))
        }
        E::FailsIntermittently { failed, tried } => {
            format!("同样的尝试 {tried} 次中有 {failed} 次失败。")
        }
        E::StrangerConnected { stranger, expected } => {
            format!("{stranger} 连接了本应由 {expected} 连接的数据端口。")
        }
        E::TakenByAnother { verb, reply, endpoint } => format!(
            "本客户端没有连接 {endpoint}，而服务器对 {} 的应答是 {}：连接它的另有其人。",
            escape(verb),
            quoted(reply)
        ),
        E::EmptyTransfers { empty, tried } => {
            format!("{tried} 次传输中有 {empty} 次成功结束，但内容为空。")
        }
        E::AllPortsInUse { first, last } if first == last => format!("唯一的被动端口 {first} 已被占用。"),
        E::AllPortsInUse { first, last } => format!("{first} 至 {last} 的被动端口已全部被占用。"),
        E::NeverAccepted { listening, waited } => {
            format!("服务器在 {listening} 监听了 {}，没有任何连接到来。", time(*waited))
        }
        E::ContainerAddress { address } => {
            format!("服务器自身的地址 {address} 属于 Docker、Podman 或 Kubernetes 分配给容器的地址。")
        }
        E::IllegalEndpoint { told, control_peer } if told.ip() == *control_peer => {
            format!("客户端 {control_peer} 要求连接到 {told}，该端口小于 1024。")
        }
        E::IllegalEndpoint { told, control_peer } => {
            format!("客户端 {control_peer} 要求连接到另一台主机 {told}。")
        }
        E::SessionNotResumed { endpoint } => {
            format!("与 {endpoint} 的数据连接在 TLS 握手时没有恢复控制连接的会话。")
        }
        E::ClearAgainstTls { clear } => {
            format!("在数据连接上，{}使用明文，而{}开始了 TLS。", side(*clear), side(other(*clear)))
        }
        E::ClosedWithoutNotify { by, bytes } => {
            format!("{}在 {bytes} 字节之后关闭了 TLS 数据连接，没有发送 close_notify。", side(*by))
        }
        E::NoHandshake { endpoint, waited } => format!(
            "与 {endpoint} 的数据连接已建立，但在 {}内既没有 ClientHello，也没有 1yz 应答。",
            time(*waited)
        ),
        E::TlsAlert { by, alert } => format!("{}以告警 {} 结束了 TLS 握手。", side(*by), quoted(alert)),
        E::CertificateRejected { reason } => format!("证书未被接受：{}。", escape(reason)),
        E::CompletionMissing { idle } => {
            format!("数据连接双方都已结束，但没有应答到来；控制连接上已有 {}没有任何数据。", time(*idle))
        }
        E::CompletionLate { after, patience } => {
            format!("应答在数据结束后 {}才到来，而客户端只等待了 {}。", time(*after), time(*patience))
        }
        E::SessionsAtLimit { open, limit } => format!("已打开 {open} 个会话，上限为 {limit} 个。"),
        E::FullSegmentsLost { size, times } => {
            format!("{size} 字节的报文段发送了 {times} 次均未到达，而较短的可以到达。")
        }
        E::SmallSegmentsPass { small, full_bytes, small_bytes } => format!(
            "用满长报文段时文件只到达了 {full_bytes} 字节，用不超过 {small} 字节的报文段时到达了 {small_bytes} 字节。"
        ),
        E::DeadAfterIdle { idle } => format!("空闲 {}之后，控制连接已经中断。", time(*idle)),
        E::DataCut { bytes, error } => format!("数据连接在 {bytes} 字节之后中断：{}。", quoted(error)),
        E::SegmentsLost { duplicates } => format!("{duplicates} 个重复确认表明有报文段丢失。"),
        E::ConnectedWithoutBanner { endpoint, waited } => {
            format!("{endpoint} 接受了连接，但在 {}内没有任何欢迎信息。", time(*waited))
        }
        E::BinaryInAscii { verb, sent, received } => format!(
            "{} 把含有 NUL 字节的文件当作文本传输：发送了 {sent} 字节，存储了 {received} 字节。",
            escape(verb)
        ),
        E::StorageRefused { error } => format!("服务器的文件系统拒绝了操作：{}。", quoted(error)),
    }
}

/// A text of a peer or of the system, in quotes, on one line.
fn quoted(text: &str) -> String {
    format!("“{}”", escape(text.trim_end_matches(['\r', '\n'])))
}

fn time(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1_000 => format!("{millis} 毫秒"),
        1_000..10_000 if !millis.is_multiple_of(1_000) => {
            format!("{}.{} 秒", millis / 1_000, millis % 1_000 / 100)
        }
        1_000..120_000 => format!("{} 秒", millis / 1_000),
        _ => format!("{} 分钟", millis / 60_000),
    }
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Client => "客户端",
        Side::Server => "服务器",
    }
}
