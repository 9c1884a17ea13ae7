//! How many bytes may be sent in a calendar month, by UTC. Pure state: dates are arguments.

/// Seconds of a day.
const DAY: u64 = 86_400;

/// What has been sent this month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// Months since year 0.
    pub month: u64,
    /// Bytes.
    pub used: u64,
}

impl Budget {
    /// Counts `bytes` sent at unix time `now`, seconds. A new month begins with nothing used.
    pub const fn add(&mut self, bytes: u64, now: u64) {
        let month = month_of(now);
        // A clock that is set back does not give the month again.
        if month > self.month {
            *self = Self { month, used: 0 };
        }
        self.used = self.used.saturating_add(bytes);
    }

    /// Whether `percent` of `most` are used up.
    #[must_use]
    pub(crate) fn is_used(&self, most: Option<u64>, percent: u64) -> bool {
        most.is_some_and(|most| {
            u128::from(self.used) * 100 >= u128::from(most) * u128::from(percent)
        })
    }

    /// The day on which the next month begins, as `2026-12-01`.
    #[must_use]
    pub fn renewed_on(&self) -> String {
        let next = self.month + 1;
        format!("{:04}-{:02}-01", next / 12, next % 12 + 1)
    }
}

/// What an operator is to be told, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nine tenths of the month's bytes are used up.
    Little,
    /// All of them are.
    Spent,
}

/// Counts what is sent against the budget.
#[derive(Debug, Default)]
pub struct Traffic {
    /// What has been sent, as far as it has been counted.
    pub budget: Budget,
    /// Whether no more may be sent this month.
    pub spent: bool,
    /// Whether it was told that little is left.
    told: bool,
    /// Bytes since the start that have been counted.
    counted: u64,
    saved: Budget,
}

impl Traffic {
    /// Goes on from what was kept.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self { budget, saved: budget, ..Self::default() }
    }

    /// Counts up to `total` bytes since the start, at unix time `now`, of `most` in a month: what is to be told of it, if anything.
    pub fn count(&mut self, total: u64, most: Option<u64>, now: u64) -> Option<News> {
        self.budget.add(total.saturating_sub(self.counted), now);
        self.counted = total;
        let spent = self.budget.is_used(most, 100);
        let is_little = self.budget.is_used(most, 90);
        let news = if spent && !self.spent {
            Some(News::Spent)
        } else if !spent && !self.told && is_little {
            Some(News::Little)
        } else {
            None
        };
        (self.told, self.spent) = (is_little, spent);
        news
    }

    /// What is to be kept on disk, if it is not there yet.
    pub fn unsaved(&mut self) -> Option<Budget> {
        let new = self.budget != self.saved;
        self.saved = self.budget;
        new.then_some(self.budget)
    }
}

/// The month of unix time `now`, by the civil calendar: days counted from March of year 0, in eras of 400 years.
const fn month_of(now: u64) -> u64 {
    let days = now / DAY + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let march_based = (5 * day_of_year + 2) / 153;
    // March is month 2 of its year; January and February are of the next.
    (era * 400 + year) * 12 + march_based + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let month = |year: u64, month: u64| year * 12 + month - 1;
        // date -u -d '…' +%s
        let known = [
            (0, month(1970, 1)),
            (951_782_399, month(2000, 2)),
            (951_868_800, month(2000, 3)),
            (1_709_251_199, month(2024, 2)),
            (1_709_251_200, month(2024, 3)),
            (1_798_761_599, month(2026, 12)),
            (1_798_761_600, month(2027, 1)),
            (4_107_542_400, month(2100, 3)),
        ];
        for (now, expected) in known {
            assert_eq!(month_of(now), expected, "{now}");
        }
    }

    #[test]
    fn what_is_sent_is_counted_once_and_a_restart_forgets_nothing() {
        let bytes_per_month = Some(100);
        let (most, more) = (bytes_per_month, Some(200));
        let mut traffic = Traffic::default();
        let now = 1_798_761_599;
        assert_eq!(traffic.count(60, most, now), None);
        assert_eq!(traffic.unsaved().map(|budget| budget.used), Some(60));
        assert!(traffic.unsaved().is_none());
        let mut again = Traffic::new(traffic.budget);
        let told = [again.count(39, most, now), again.count(39, most, now)];
        assert_eq!(told, [Some(News::Little), None], "once");
        assert!(again.count(40, most, now) == Some(News::Spent) && again.spent);
        assert!(again.count(40, most, now).is_none() && again.spent);
        assert!(again.count(40, more, now).is_none() && !again.spent, "the operator gives more");
        assert!(again.count(40, most, now) == Some(News::Spent) && again.spent);
        assert!(again.count(41, most, now + 1).is_none() && !again.spent);
    }

    #[test]
    fn a_month_has_its_bytes_and_the_next_one_its_own() {
        let mut budget = Budget::default();
        budget.add(60, 1_798_761_599);
        assert_eq!(budget.renewed_on(), "2027-01-01");
        assert!(!budget.is_used(Some(100), 100) && budget.is_used(Some(100), 60));
        budget.add(40, 1_798_761_599);
        assert!(budget.is_used(Some(100), 100) && !budget.is_used(None, 100));
        budget.add(1, 1_798_761_600);
        assert_eq!((budget.used, budget.renewed_on()), (1, "2027-02-01".to_owned()));
        // The clock goes back, and what was carried counts on.
        budget.add(1, 1_798_761_599);
        assert_eq!(budget.used, 2);
        budget.add(u64::MAX, 1_798_761_600);
        assert!(budget.is_used(Some(u64::MAX), 100));
    }
}
