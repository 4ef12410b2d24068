//! Every text of the explainer itself, in each language. What the causes and their evidence say is `wharf-findings`'.

use wharf_findings::{Language, Text};

/// Replaces `{0}`, `{1}`, … in a text.
pub(crate) fn fill(text: Text, language: Language, values: &[&str]) -> String {
    let mut filled = String::new();
    let mut rest = text.in_language(language);
    while let Some((before, behind)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((number, after)) = behind.split_once('}') else { break };
        let value = number.parse().ok().and_then(|index: usize| values.get(index));
        filled.push_str(value.copied().unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident = $english:literal, $chinese:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: Text =
            Text::of($english, $chinese);)*

        /// Every text, for the test that looks at all of them.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, Text)] = &[$((stringify!($name), $name)),*];
    };
}

texts! {
    CLIENT = "client", "客户端";
    SERVER = "server", "服务器";
    CONVERSATION = "Conversation {0}: client {1}, server {2}", "会话 {0}：客户端 {1}，服务器 {2}";
    USER = "user {0}", "用户 {0}";
    UNDER_TLS_EXPLICIT = "under TLS after AUTH", "AUTH 之后使用 TLS";
    UNDER_TLS_IMPLICIT = "under TLS from the start", "从一开始就使用 TLS";
    BEGINS_LATE = "the capture begins in its middle", "抓包从会话中途开始";
    ENDS_EARLY = "the capture ends before it does", "抓包在会话结束前结束";
    HAS_GAPS = "{0} bytes of dialogue are not in the capture", "抓包中缺少 {0} 字节的对话";
    FRAME = "frame", "帧";
    TIME = "time", "时间";
    SYN = "SYN", "SYN";
    SYN_AGAIN = "SYN again, attempt {0}", "再次 SYN，第 {0} 次";
    SYN_ACK = "SYN, ACK", "SYN, ACK";
    ACK = "ACK", "ACK";
    FIN = "FIN", "FIN";
    RESET = "RST", "RST";
    RESET_TTL = "RST with TTL {0}; other packets of this host have {1}", "RST，TTL 为 {0}；该主机其他包为 {1}";
    OPENS_PASSIVE = "the client opens the data connection: passive mode", "客户端打开数据连接：被动模式";
    OPENS_ACTIVE = "the server opens the data connection: active mode", "服务器打开数据连接：主动模式";
    OPENS_ACTIVE_20 = "the server opens the data connection from its port {0}: active mode", "服务器从端口 {0} 打开数据连接：主动模式";
    OTHER_HOST = "not the address of the control connection, {0}", "不是控制连接的地址 {0}";
    LOW_PORT = "a port below 1024", "低于 1024 的端口";
    SERVER_LISTENS = "{0}: the server listens on {1}", "{0}：服务器在 {1} 监听";
    CLIENT_LISTENS = "{0}: the client listens on {1}", "{0}：客户端在 {1} 监听";
    DATA = "{0} bytes in {1} segments", "{0} 字节，{1} 个报文段";
    DATA_ONE = "{0} bytes in one segment", "{0} 字节，一个报文段";
    DATA_TIMED = "{0} bytes in {1} segments, {2}, {3}/s", "{0} 字节，{1} 个报文段，{2}，{3}/秒";
    SENT_AGAIN_ONE = "one segment sent again", "重传一个报文段";
    SENT_AGAIN = "{0} segments sent again", "重传 {0} 个报文段";
    NOT_CAPTURED_BYTES = "{0} bytes of them not captured", "其中 {0} 字节未被捕获";
    GAP = "{0} bytes are not in the capture", "抓包中缺少 {0} 字节";
    HIDDEN = "the rest is hidden by TLS", "其余内容被 TLS 隐藏";
    CLEAR_AGAIN = "in clear again (CCC)", "恢复明文（CCC）";
    CLIENT_HELLO = "TLS ClientHello", "TLS ClientHello";
    CLIENT_HELLO_RESUMING = "TLS ClientHello, to resume a session", "TLS ClientHello，请求恢复会话";
    SERVER_HELLO = "TLS {0} ServerHello", "TLS {0} ServerHello";
    TLS_ALERT = "TLS alert {0}", "TLS 警报 {0}";
    TLS_RESUMED = "TLS {0}, session resumed", "TLS {0}，会话已恢复";
    TLS_NEW = "TLS {0}, new session", "TLS {0}，新会话";
    CLOSE_NOTIFY = "its last record looks like close_notify", "最后一条记录看起来是 close_notify";
    ICMP = "ICMP from {0}: {1}", "来自 {0} 的 ICMP：{1}";
    ICMP_PROHIBITED = "administratively prohibited", "被管理策略禁止";
    ICMP_UNREACHABLE = "unreachable", "不可达";
    ICMP_PORT = "port unreachable", "端口不可达";
    ICMP_TOO_BIG = "packet too big", "数据包过大";
    NO_ANSWER = "no answer", "无应答";
    ELSEWHERE = "to {0}, and not to {1} as agreed", "连接到 {0}，而不是约定的 {1}";
    STRANGER = "from {0}, which is not the {1} of the control connection", "来自 {0}，不是控制连接的{1}";
    LEFT_OUT_LINES = "{0} more lines are not shown", "另有 {0} 行未显示";
    LEFT_OUT_TRANSFERS = "{0} more transfers are not shown", "另有 {0} 次传输未显示";
    LEFT_OUT_CONVERSATIONS = "{0} more control connections are not told about", "另有 {0} 个控制连接未说明";
    COPIES = "{0} packets were captured twice and are told once", "{0} 个数据包被捕获两次，只说明一次";
    TRANSFERS = "Transfers", "传输";
    UNKNOWN_TRANSFER = "transfer", "传输";
    MODE_PASSIVE = "passive", "被动";
    MODE_ACTIVE = "active", "主动";
    BYTES = "{0} bytes", "{0} 字节";
    ONE_BYTE = "1 byte", "1 字节";
    COMPLETE = "complete", "完成";
    COMPLETE_HIDDEN = "complete as far as can be seen under TLS", "就 TLS 下所能看到的，已完成";
    REFUSED = "refused by the server", "被服务器拒绝";
    NO_SYN = "nobody tried to open the data connection", "没有人尝试打开数据连接";
    UNANSWERED = "the data connection got no answer", "数据连接没有得到应答";
    WAS_RESET = "the data connection was refused", "数据连接被拒绝";
    CUT = "cut", "中断";
    UNKNOWN = "how it ended is not in the capture", "抓包中看不到结果";
    CONFIRMED_UNSEEN = "complete; its data connection is not in the capture", "完成；其数据连接不在抓包中";
    FINDINGS = "What went wrong", "出了什么问题";
    TELL_APART = "More than one cause looks like this from where the capture was taken. A second one, taken at the same time at the {0}'s side, tells them apart: wharf explain CLIENT.pcap SERVER.pcap", "从抓包的位置看，不止一个原因有这样的表现。同时在{0}一侧再抓一次包即可区分：wharf explain 客户端.pcap 服务器.pcap";
    TELL_APART_ANYWHERE = "More than one cause looks like this from where the capture was taken. Two captures, taken at the same time at the client's and at the server's side, tell them apart: wharf explain CLIENT.pcap SERVER.pcap", "从抓包的位置看，不止一个原因有这样的表现。同时在客户端和服务器两侧抓包即可区分：wharf explain 客户端.pcap 服务器.pcap";
    FINDINGS_ALL = "Beside the conversations", "会话之外";
    NOTHING_WRONG = "Nothing went wrong.", "没有发现问题。";
    NO_CONVERSATION = "No FTP control connection in {0} packets. If it uses another port than 21 and is under TLS from the start, name it with --port.", "{0} 个数据包中没有 FTP 控制连接。如果它使用 21 以外的端口并且一开始就使用 TLS，请用 --port 指定。";
    TITLE = "FTP, step by step", "FTP，逐步说明";
    CONTROL_CONNECTION = "control connection", "控制连接";
    DATA_CONNECTION = "data connection", "数据连接";
    STEPS = "{0} steps", "{0} 步";
    DIFFERENCES = "What differs between the two captures", "两份抓包之间的差异";
    NO_DIFFERENCES = "The two captures show the same: nothing was changed or lost between them.", "两份抓包一致：途中没有任何内容被修改或丢失。";
    OFFSET = "The second capture's clock is {0} s ahead of the first's.", "第二份抓包的时钟比第一份快 {0} 秒。";
    OFFSET_BEHIND = "The second capture's clock is {0} s behind the first's.", "第二份抓包的时钟比第一份慢 {0} 秒。";
    REWRITTEN = "rewritten: {0} in frame {1} of the first, {2} in frame {3} of the second", "被改写：第一份第 {1} 帧为 {0}，第二份第 {3} 帧为 {2}";
    LOST = "lost: {0} in frame {1} of the {2}, and not in the other", "丢失：{0} 在{2}第 {1} 帧，另一份中没有";
    INJECTED = "injected: {0} in frame {1} of the {2}, which the other side did not send", "被注入：{0} 在{2}第 {1} 帧，而另一端并未发送";
    FIRST = "first", "第一份";
    SECOND = "second", "第二份";
    FIRST_CAPTURE = "First capture", "第一份抓包";
    SECOND_CAPTURE = "Second capture", "第二份抓包";
    UNPAIRED = "No conversation of one capture is in the other.", "一份抓包中的会话都不在另一份中。";
    LESSON_PASSIVE = "Passive mode: the server listens, the client opens the data connection", "被动模式：服务器监听，客户端打开数据连接";
    LESSON_ACTIVE = "Active mode: the client listens, the server opens the data connection", "主动模式：客户端监听，服务器打开数据连接";
    MORAL_PASSIVE = "In passive mode every connection is opened by the client. A firewall before the server has to let in the control port and the range of passive ports; one before the client needs no rule.", "在被动模式下，所有连接都由客户端打开。服务器前的防火墙必须放行控制端口和被动端口范围；客户端前的防火墙不需要规则。";
    MORAL_ACTIVE = "In active mode the server opens a connection to the client, from one port below its control port (20, where that is 21). A firewall or NAT before the client has to let that in; most do not, which is why clients prefer passive mode.", "在主动模式下，服务器从控制端口减一的端口（控制端口为 21 时即 20）向客户端打开连接。客户端前的防火墙或 NAT 必须放行；大多数不会，所以客户端更喜欢被动模式。";
    TEACH_CONNECT = "The client opens the control connection. It stays for the whole session; every command and every reply goes over it.", "客户端打开控制连接。它在整个会话中保持；所有命令和应答都经过它。";
    TEACH_GREETING = "The server greets; before that the client says nothing.", "服务器问候；在此之前客户端不说话。";
    TEACH_USER = "The client says who it is.", "客户端表明身份。";
    TEACH_PASS = "The password; it is never shown here.", "密码；这里从不显示。";
    TEACH_LOGGED_IN = "The client is let in.", "客户端登录成功。";
    TEACH_FEAT = "The client asks what the server can do beyond RFC 959.", "客户端询问服务器除 RFC 959 之外还支持什么。";
    TEACH_TYPE = "Bytes are to go over as they are.", "字节按原样传输。";
    TEACH_SIZE = "How long is the file? That is how a cut transfer will be known.", "文件有多长？这样才能发现中断的传输。";
    TEACH_MDTM = "When was the file changed?", "文件何时修改过？";
    TEACH_PASV = "The client asks the server to listen. Where is not for the client to say: the server chooses, and tells it in the 227.", "客户端请求服务器监听。端口不由客户端决定：由服务器选择，并在 227 应答中告知。";
    TEACH_227 = "The server listens there, for this client and this one transfer.", "服务器在那里监听，只为这个客户端和这一次传输。";
    TEACH_PORT = "The client listens, on a port of its own choice, and tells the server where.", "客户端在自己选择的端口监听，并告诉服务器在哪里。";
    TEACH_PORT_TAKEN = "The server will connect there when there is something to send.", "有数据要发送时，服务器会连接到那里。";
    TEACH_RETR = "Now the file can be asked for.", "现在可以请求文件了。";
    TEACH_DATA_PASSIVE = "The client opens the data connection to the port that it was told: a second TCP connection, for this one file.", "客户端打开到所告知端口的数据连接：第二个 TCP 连接，只用于这一个文件。";
    TEACH_DATA_ACTIVE = "The server opens the data connection to the port that it was told. To a firewall before the client this is a stranger who knocks.", "服务器打开到所告知端口的数据连接。对客户端前的防火墙来说，这是陌生人在敲门。";
    TEACH_150 = "The server says that it begins. The data go over the other connection.", "服务器宣布开始。数据走另一个连接。";
    TEACH_DATA = "The file, and nothing else. The control connection is silent meanwhile.", "只有文件内容。其间控制连接保持沉默。";
    TEACH_FIN = "The sender closes the data connection: that is how the end of the file is told.", "发送方关闭数据连接：文件的结束就是这样表示的。";
    TEACH_226 = "The server confirms. Now, and not before, the transfer is complete.", "服务器确认。直到现在传输才算完成。";
    TEACH_QUIT = "The client says goodbye; the control connection is closed.", "客户端告别；控制连接关闭。";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_values_in_each_text() {
        for (name, text) in ALL {
            let values = |language| {
                let mut found: Vec<&str> = text
                    .in_language(language)
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split('}').next())
                    .collect();
                found.sort_unstable();
                found
            };
            assert_eq!(values(Language::English), values(Language::Chinese), "{name}");
            assert!(!text.in_language(Language::Chinese).is_empty());
        }
    }

    #[test]
    fn values_are_filled_in() {
        assert_eq!(
            fill(CONVERSATION, Language::English, &["1", "a", "b{0}"]),
            "Conversation 1: client a, server b{0}"
        );
    }
}
