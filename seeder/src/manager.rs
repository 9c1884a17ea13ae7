//! The service manager that started the seeder, if one did.

use sealift_platform::service::State;

/// Told when the seeder is up, and when it is about to end.
pub(crate) struct Manager {
    #[cfg(unix)]
    socket: Option<sealift_platform::service::Manager>,
}

impl Manager {
    /// The one that the environment names; none for a seeder that is only a part of its process.
    #[cfg(unix)]
    pub(crate) fn of_environment(is_process: bool) -> Self {
        let socket = is_process.then(sealift_platform::service::Manager::of_environment);
        let socket = socket.transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "the service manager in NOTIFY_SOCKET cannot be told anything");
            None
        });
        Self { socket: socket.flatten() }
    }

    /// None.
    #[cfg(not(unix))]
    pub(crate) const fn of_environment(_: bool) -> Self {
        Self {}
    }

    pub(crate) fn tell(&self, state: State<'_>) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.tell(&[state])
        {
            tracing::warn!(%error, "the service manager does not listen");
        }
        #[cfg(not(unix))]
        let _ = state;
    }
}
