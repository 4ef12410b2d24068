//! From a connect to a session that can be asked: the greeting, TLS, USER and PASS, FEAT.

use tokio::time::Instant;
use wharf_proto::command::Text;
use wharf_proto::dialogue::LoginState;
use wharf_proto::{Command, Reply, ReplyCode};

use super::Session;
use crate::error::{ClientError, ControlFailure};
use crate::features::Features;
use crate::known_server::{LoginSteps, utf8_option};

impl Session {
    /// Logs in, at once where that is known to work, and step by step where it did not after all.
    pub(super) async fn come_in(&mut self, is_new: bool) -> Result<(), ClientError> {
        match self.greet_and_log_in(is_new).await {
            Err(error) if std::mem::take(&mut self.has_misfitted) => {
                self.observer.note(&format!("logging in step by step from now on: {error}"));
                self.reopen().await?;
                self.greet_and_log_in(false).await
            }
            other => other,
        }
    }

    /// All that a login sent at once has done besides.
    pub(crate) fn has_entered_at_once(&mut self) {
        self.representation_sent = true;
        self.utf8_announced = true;
    }

    pub(crate) fn set_features(&mut self, features: Features) {
        self.features = features;
    }

    async fn greet_and_log_in(&mut self, is_new: bool) -> Result<(), ClientError> {
        self.secure_at_once().await?;
        let outcome = self.greet().await;
        let greeting = outcome.map_err(|failure| {
            self.usable = false;
            ClientError::NotGreeted { endpoint: self.peer(), failure }
        })?;
        self.secure_behind_auth(&greeting).await?;
        if self.log_in_at_once(is_new).await? {
            return Ok(());
        }
        self.protect_data(false).await?;
        self.log_in().await?;
        self.protect_data(true).await
    }

    /// Waits for 220 (RFC 959 §5.4); 120 announces that it will take a while.
    async fn greet(&mut self) -> Result<Reply, ControlFailure> {
        let limit = self.options.times.reply;
        let deadline = Instant::now() + limit;
        loop {
            let reply = self.answer_before(deadline, limit).await?.reply;
            if reply.code().is_negative() {
                return Err(ControlFailure::Dismissed(reply));
            }
            if self.pi.dialogue().is_greeted() {
                return Ok(reply);
            }
        }
    }

    /// USER, PASS and ACCT, as far as the server asks for them (RFC 959 §6, figure "Login").
    async fn log_in(&mut self) -> Result<(), ClientError> {
        // Nobody misses a password that was not asked for.
        let mut password_given = true;
        let mut steps = LoginSteps::User;
        let mut reply = self.exchange(&Command::User(self.login.user.clone())).await?;
        if self.pi.dialogue().state().login == LoginState::UserNamed {
            password_given = self.login.password.is_some();
            let password = self.login.password.clone().unwrap_or_default();
            reply = self.exchange(&Command::Pass(password)).await?;
            steps = LoginSteps::Password;
        }
        let refused =
            |user: &Text, reply| ClientError::LoginRefused { user: user.to_string(), password_given, reply };
        if self.pi.dialogue().state().login == LoginState::AccountWanted {
            let Some(account) = self.login.account.clone() else {
                return Err(refused(&self.login.user, reply));
            };
            reply = self.exchange(&Command::Acct(account)).await?;
            steps = LoginSteps::Other;
        }
        if self.pi.authenticated().is_some() {
            self.login_steps = steps;
            return Ok(());
        }
        self.usable = false;
        if reply.code() == ReplyCode::SERVICE_NOT_AVAILABLE {
            // It is not about who logs in.
            return Err(ControlFailure::Dismissed(reply).into());
        }
        Err(refused(&self.login.user, reply))
    }

    pub(super) async fn learn_features(&mut self) -> Result<(), ClientError> {
        let reply = self.exchange(&Command::Feat).await?;
        self.features = Features::from_reply(&reply);
        self.announce_utf8().await
    }

    /// Servers that have UTF8 in FEAT take names as UTF-8 with or without this; some old ones only with. Where another charset
    /// is asked for, those that can do without are told so.
    pub(super) async fn announce_utf8(&mut self) -> Result<(), ClientError> {
        if self.features.utf8()
            && !self.utf8_announced
            && let Some(command) = utf8_option(self.options.charset)
        {
            self.exchange(&command).await?;
            self.utf8_announced = true;
        }
        Ok(())
    }
}
