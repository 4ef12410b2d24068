//! A client that is kept between commands, as the shell has it.

use wharf_client::{ClientError, FtpUrl, Login, Session};

use super::{Client, ask_password};
use crate::output::dialogue::{Shown, UnderWay};

impl Client {
    /// Another one of the same settings, for work beside this one's.
    pub(crate) fn beside(&self) -> Self {
        Self {
            settings: self.settings.clone(),
            netrc: self.netrc.clone(),
            session: None,
            known: Vec::new(),
            under_way: UnderWay::default(),
            is_in_background: true,
            failure: None,
            closed_pipe: false,
        }
    }

    /// The session that is there, whether its control connection still is or not.
    pub(crate) fn present_session(&mut self) -> Option<&mut Session> {
        self.session.as_mut().map(|(_, session)| session)
    }

    /// Ends the session politely.
    pub(crate) async fn close(&mut self) {
        if let Some((_, session)) = self.session.take() {
            session.quit().await;
        }
    }

    /// Gives up what is being done, says what stays of it, and keeps the session where that is possible.
    pub(crate) async fn give_up(&mut self) {
        let under_way = self.take_under_way();
        if let Some(session) = self.present_session() {
            session.abort().await;
        }
        self.tell_interrupted(under_way);
    }

    /// The exit code of the first failure since this was asked last.
    pub(crate) fn take_failure(&mut self) -> Option<u8> {
        self.failure.take()
    }

    /// After a change of how much is said: holds for the session that is there, too.
    pub(crate) fn show_anew(&mut self) {
        let shown = self.shown();
        if let Some(session) = self.present_session() {
            session.set_observer(shown);
        }
    }

    pub(super) fn shown(&self) -> Box<Shown> {
        if self.is_in_background {
            return Box::new(Shown::of_many(&self.settings, None));
        }
        Box::new(Shown::new(&self.settings, self.under_way.clone()))
    }

    /// `url` with the password of its user, if that has to be asked for, so that it is asked for once.
    ///
    /// # Errors
    /// When what was typed is no password.
    pub(crate) fn with_password(&self, url: &FtpUrl) -> Result<FtpUrl, ClientError> {
        let login = Login::for_url(url, &self.netrc);
        if login.password.is_some() {
            return Ok(url.clone());
        }
        Ok(url.with_login(Some(login.user.clone()), ask_password(&login, url)?))
    }
}
