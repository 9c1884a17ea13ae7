//! Which spaces are carried: all or those named, those that a token admits, and how many new ones an address may bring.
//! Pure state; times are durations since the program started.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use sealift_platform::rate::Rate;
use sealift_proto::control::Refusal;
use sealift_proto::space::SpaceId;

use crate::limits::View;
use crate::sources::{Sources, source_of};
use crate::tokens::{TokenName, Tokens};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// What admission goes by.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long one that was let in may take until it is connected.
    pub handshake: Duration,
    /// Sources remembered for what they owe.
    pub sources: usize,
    /// Unknown tokens from one source.
    pub wrong_tokens_per_hour: u64,
    /// New spaces from one source.
    pub new_spaces_per_day: u64,
}

/// What is remembered of a space before anybody of it comes in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Whether it has been here before.
    pub known: bool,
    /// The token that admitted it, if one did.
    pub token: Option<TokenName>,
}

/// What a private server carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Short ids of spaces.
    pub spaces: Vec<String>,
    /// Tokens that admit any space.
    pub tokens: Tokens,
}

impl Allowed {
    /// Whether everybody may bring a space.
    fn is_public(&self) -> bool {
        self.spaces.is_empty() && self.tokens.is_empty()
    }

    /// Whether the space is carried, if `token` admitted it.
    fn carries(&self, space: &SpaceId, token: Option<&TokenName>) -> bool {
        self.is_public()
            || self.spaces.contains(&space.short())
            || token.is_some_and(|token| self.tokens.has(token))
    }
}

/// What is to be remembered of a space that may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing new.
    Known,
    /// That it exists, and the token that admitted it.
    Remember(Option<TokenName>),
}

/// Decides about spaces.
#[derive(Debug)]
pub struct Admission {
    bounds: View<Bounds>,
    allowed: Allowed,
    /// Spaces that came in by a token, and when one of their devices last did.
    by_token: HashMap<SpaceId, (TokenName, Duration)>,
    /// New spaces and wrong tokens by the address they came from.
    newcomers: Sources,
    wrong: Sources,
}

impl Admission {
    /// Nobody has come yet.
    #[must_use]
    pub fn new(bounds: View<Bounds>, allowed: Allowed) -> Self {
        let (newcomers, wrong) = (Sources::default(), Sources::default());
        Self { bounds, allowed, by_token: HashMap::new(), newcomers, wrong }
    }

    /// Goes by other rules from now on.
    pub fn set_allowed(&mut self, allowed: Allowed) {
        self.allowed = allowed;
    }

    /// Whether a space that was let in is still carried.
    #[must_use]
    pub fn carries(&self, space: &SpaceId) -> bool {
        self.allowed.carries(space, self.by_token.get(space).map(|(token, _)| token))
    }

    /// Whether a member of `space` may come in from there; `shown` is the token that it showed.
    ///
    /// # Errors
    /// What the member is told.
    pub fn check(
        &mut self,
        space: &SpaceId,
        known: Known,
        shown: Option<&[u8]>,
        from: IpAddr,
        now: Duration,
    ) -> Result<Verdict, Refusal> {
        let source = source_of(from);
        let mut verdict = if known.known { Verdict::Known } else { Verdict::Remember(None) };
        if let Some(token) = known.token.filter(|token| self.allowed.tokens.has(token)) {
            self.by_token.insert(*space, (token, now));
        } else if !self.allowed.carries(space, None) {
            let token = self.check_token(shown, source, now)?;
            self.by_token.insert(*space, (token, now));
            verdict = Verdict::Remember(Some(token));
        }
        if !known.known {
            self.count_newcomer(source, now)?;
        }
        Ok(verdict)
    }

    fn check_token(
        &mut self,
        shown: Option<&[u8]>,
        source: IpAddr,
        now: Duration,
    ) -> Result<TokenName, Refusal> {
        let shown = shown.filter(|_| !self.allowed.tokens.is_empty());
        let shown = shown.ok_or(Refusal::SpaceNotAllowed)?;
        let bounds = self.bounds.get();
        let new = || Rate::over(HOUR, bounds.wrong_tokens_per_hour, now);
        let wrong = self.wrong.of(source, bounds.sources, now, new);
        // One who has guessed too often is not told whether the next guess is right.
        if !wrong.try_take(now) {
            return Err(Refusal::Busy);
        }
        let name = self.allowed.tokens.find(shown).ok_or(Refusal::Token)?;
        wrong.give_back();
        Ok(name)
    }

    fn count_newcomer(&mut self, source: IpAddr, now: Duration) -> Result<(), Refusal> {
        let bounds = self.bounds.get();
        let new = || Rate::over(DAY, bounds.new_spaces_per_day, now);
        let rate = self.newcomers.of(source, bounds.sources, now, new);
        if rate.try_take(now) { Ok(()) } else { Err(Refusal::NewSpaces) }
    }

    /// Forgets addresses that owe nothing, and by which token the spaces came that have no device connected: the store
    /// knows it when one comes back.
    pub fn forget(&mut self, now: Duration, is_connected: impl Fn(&SpaceId) -> bool) {
        self.newcomers.forget(now);
        self.wrong.forget(now);
        // One that was let in is connected before its time for that is over.
        let coming = self.bounds.get().handshake;
        self.by_token.retain(|space, (_, came)| now <= *came + coming || is_connected(space));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        handshake: Duration::from_secs(10),
        sources: 1000,
        wrong_tokens_per_hour: 100,
        new_spaces_per_day: 100,
    };

    const GOOD: &[u8] = b"a token that is good";

    fn space(number: u8) -> SpaceId {
        SpaceId::from_bytes([number; 32])
    }

    fn at(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn admission(bounds: Bounds, allowed: Allowed) -> Admission {
        Admission::new(View::fixed(bounds), allowed)
    }

    fn by_token() -> Allowed {
        Allowed { spaces: Vec::new(), tokens: Tokens::parse(GOOD).unwrap() }
    }

    #[test]
    fn an_address_brings_few_new_spaces_a_day() {
        let bounds = Bounds { new_spaces_per_day: 2, ..BOUNDS };
        let mut admission = admission(bounds, Allowed::default());
        let new = Known::default();
        let mut check = |number, from, hours: u64| {
            let now = HOUR * u32::try_from(hours).unwrap();
            admission.check(&space(number), new, None, at(from), now)
        };
        assert_eq!(check(1, 1, 0), Ok(Verdict::Remember(None)));
        assert_eq!(check(2, 1, 0), Ok(Verdict::Remember(None)));
        assert_eq!(check(3, 1, 0), Err(Refusal::NewSpaces));
        assert_eq!(check(3, 2, 0), Ok(Verdict::Remember(None)), "another address");
        assert_eq!(check(4, 1, 11), Err(Refusal::NewSpaces));
        assert_eq!(check(4, 1, 13), Ok(Verdict::Remember(None)));
        let known = Known { known: true, token: None };
        let again = admission.check(&space(1), known, None, at(1), HOUR * 13);
        assert_eq!(again, Ok(Verdict::Known));
        admission.forget(HOUR * 99, |_| true);
        assert_eq!(admission.newcomers.len(), 0);
    }

    #[test]
    fn a_private_relay_carries_named_spaces_and_those_that_showed_a_token_once() {
        let allowed = Allowed { spaces: vec![space(1).short()], ..by_token() };
        let mut admission = admission(BOUNDS, allowed);
        let new = Known::default();
        let mut check = |number, known: Known, shown| {
            admission.check(&space(number), known, shown, at(number), HOUR)
        };
        assert_eq!(check(1, new, None), Ok(Verdict::Remember(None)));
        assert_eq!(check(2, new, None), Err(Refusal::SpaceNotAllowed));
        assert_eq!(check(2, new, Some(b"a token that is bad.")), Err(Refusal::Token));
        let Ok(Verdict::Remember(Some(token))) = check(2, new, Some(GOOD)) else { panic!() };
        let known = Known { known: true, token: Some(token) };
        assert_eq!(check(2, known, None), Ok(Verdict::Known), "its other devices need none");
        assert!(admission.carries(&space(1)) && admission.carries(&space(2)));
        assert!(!admission.carries(&space(3)));
        // The operator takes the token back.
        let other = Allowed { spaces: Vec::new(), tokens: Tokens::parse(&[b'x'; 20]).unwrap() };
        admission.set_allowed(other);
        assert!(!admission.carries(&space(1)) && !admission.carries(&space(2)));
        let refused = admission.check(&space(2), known, None, at(2), HOUR);
        assert_eq!(refused, Err(Refusal::SpaceNotAllowed));
    }

    #[test]
    fn many_addresses_and_spaces_take_a_bounded_room() {
        let handshake = Duration::from_secs(10);
        let bounds = Bounds { sources: 50, new_spaces_per_day: 9, handshake, ..BOUNDS };
        let allowed = Allowed { spaces: Vec::new(), tokens: Tokens::parse(GOOD).unwrap() };
        let mut admission = admission(bounds, allowed);
        let new = Known::default();
        for number in 0..1000_u128 {
            let from = IpAddr::V6((number << 64).into());
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&number.to_be_bytes());
            let space = SpaceId::from_bytes(bytes);
            let wrong = admission.check(&space, new, Some(&[b'?'; 20]), from, HOUR);
            assert_eq!(wrong, Err(Refusal::Token));
            assert!(admission.check(&space, new, Some(GOOD), from, HOUR).is_ok());
            assert!(admission.newcomers.len() <= 50 && admission.wrong.len() <= 50);
        }
        admission.forget(HOUR + handshake, |_| false);
        assert_eq!(admission.by_token.len(), 1000, "they may be about to connect");
        // One of them has a device connected.
        let now = HOUR + handshake + Duration::from_millis(1);
        admission.forget(now, |space| *space == SpaceId::from_bytes([0; 32]));
        assert_eq!(admission.by_token.len(), 1);
        assert!(admission.carries(&SpaceId::from_bytes([0; 32])));
    }

    #[test]
    fn tokens_are_not_guessed_at_leisure() {
        let bounds = Bounds { wrong_tokens_per_hour: 3, ..BOUNDS };
        let mut admission = admission(bounds, by_token());
        let new = Known::default();
        let mut show =
            |shown, from, now| admission.check(&space(9), new, Some(shown), at(from), now);
        for _ in 0..3 {
            assert_eq!(show(&[b'?'; 20], 1, HOUR), Err(Refusal::Token));
        }
        assert_eq!(show(GOOD, 1, HOUR), Err(Refusal::Busy), "right or wrong");
        assert!(show(GOOD, 2, HOUR).is_ok());
        assert!(show(GOOD, 1, HOUR * 2).is_ok());
    }
}
