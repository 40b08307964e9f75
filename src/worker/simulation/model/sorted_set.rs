//! A sorted set of Redis: members in the order of their scores, and of their bytes where scores are equal.

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SortedSet(Vec<(f64, String)>);

impl SortedSet {
    /// Adds a member, or changes its score. Returns whether it is new. `ZADD`.
    pub(super) fn add(&mut self, member: &str, score: f64) -> bool {
        let is_new = !self.remove(member);
        let at = self.0.partition_point(|(other, name)| {
            other.total_cmp(&score).then_with(|| name.as_str().cmp(member)).is_lt()
        });
        self.0.insert(at, (score, member.to_owned()));
        is_new
    }

    /// Removes a member. Returns whether it was there. `ZREM`.
    pub(super) fn remove(&mut self, member: &str) -> bool {
        let at = self.0.iter().position(|(_, name)| name == member);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// `ZSCORE`.
    pub(super) fn score(&self, member: &str) -> Option<f64> {
        self.0.iter().find(|(_, name)| name == member).map(|(score, _)| *score)
    }

    /// Members with a score up to this one, the lowest first. `ZRANGEBYSCORE`.
    pub(super) fn up_to(&self, score: f64) -> impl Iterator<Item = (f64, &str)> {
        self.iter().take_while(move |(other, _)| *other <= score)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, &str)> {
        self.0.iter().map(|(score, member)| (*score, member.as_str()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
