//! Which versions read what which others wrote.
//!
//! Elasticsearch reads indices of its own major version and the one before; OpenSearch 1.x those of Elasticsearch 6.x and
//! up to 7.10, 2.x those of 7.x and 1.x, 3.x those of 2.x. What counts is the version that *created* an index: one of
//! version N stays one in a snapshot that N+1 took. Seen on all versions of the bed.

/// A version with whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) opensearch: bool,
    pub(crate) major: u64,
    pub(crate) minor: u64,
}

/// The bit that marks a version of OpenSearch in `index.version.created`.
const OPENSEARCH: u64 = 0x0800_0000;

impl Version {
    /// Of a cluster: `opensearch`, `3.8.0`.
    pub(crate) fn of(distribution: &str, number: &str) -> Self {
        let mut parts = number.split('.').map(|part| part.parse().unwrap_or_default());
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Self { opensearch: distribution == "opensearch", major, minor }
    }

    /// Of `index.version.created`, such as 5050299 for 5.5.2. Of later Elasticsearch only the major version can be told.
    pub(crate) fn created(id: u64) -> Self {
        let (opensearch, id) = if id & OPENSEARCH == 0 { (false, id) } else { (true, id ^ OPENSEARCH) };
        Self { opensearch, major: id / 1_000_000, minor: id / 10_000 % 100 }
    }

    /// Why this version cannot restore an index that the other created; none if it can.
    pub(crate) fn cannot_read(self, created: Self) -> Option<String> {
        let oldest = match (self.opensearch, created.opensearch) {
            (false, true) => return Some(format!("{self} reads no index of OpenSearch")),
            (false, false) | (true, true) => self.major.saturating_sub(1),
            (true, false) => match self.major {
                1 => 6,
                2 => 7,
                _ => return Some(format!("{self} reads no index of Elasticsearch")),
            },
        };
        if created.major < oldest {
            return Some(format!("{self} reads indices created by {oldest}.x and later"));
        }
        let newer = if self.opensearch == created.opensearch {
            created.major > self.major
        } else {
            (created.major, created.minor) > (7, 10)
        };
        newer.then(|| format!("{self} is older"))
    }

    /// Why this version cannot read a repository that the other writes; none if it can.
    pub(crate) fn cannot_read_repository(self, writer: Self) -> Option<String> {
        match (self.opensearch, writer.opensearch) {
            (false, true) => Some(format!("{self} reads no repository of OpenSearch")),
            (true, false) if (writer.major, writer.minor) > (7, 10) => {
                Some(format!("{self} reads repositories of Elasticsearch up to 7.10"))
            }
            (true, false) => None,
            _ => ((writer.major, writer.minor) > (self.major, self.minor)).then(|| format!("{self} is older")),
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.opensearch { "OpenSearch" } else { "Elasticsearch" };
        write!(f, "{name} {}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn es(number: &str) -> Version {
        Version::of("elasticsearch", number)
    }

    fn os(number: &str) -> Version {
        Version::of("opensearch", number)
    }

    #[test]
    fn the_number_in_the_settings_tells_who_created_an_index() {
        assert_eq!(Version::created(5_050_299), es("5.5.2"));
        assert_eq!(Version::created(7_100_299), es("7.10.2"));
        assert_eq!(Version::created(137_248_027), os("3.3.0"));
    }

    #[test]
    fn an_index_is_read_by_its_own_major_version_and_the_next() {
        for (target, created, reads) in [
            (es("6.1.2"), es("5.5.2"), true),
            (es("6.8.9"), es("5.5.2"), true),
            (es("7.10.2"), es("5.5.2"), false),
            (es("7.10.2"), es("6.8.9"), true),
            (es("9.5.3"), es("7.17.29"), false),
            (es("6.1.2"), es("7.10.2"), false),
            (es("8.19.21"), os("1.3.20"), false),
            (os("1.3.20"), es("6.8.9"), true),
            (os("1.3.20"), es("7.17.29"), false),
            (os("2.19.6"), es("7.10.2"), true),
            (os("2.19.6"), es("6.8.9"), false),
            (os("3.8.0"), es("7.10.2"), false),
            (os("3.8.0"), os("2.19.6"), true),
            (os("3.8.0"), os("1.3.20"), false),
        ] {
            assert_eq!(target.cannot_read(created).is_none(), reads, "{target} of {created}");
        }
    }

    #[test]
    fn a_repository_is_read_by_what_is_not_older() {
        assert!(es("6.1.2").cannot_read_repository(es("6.8.9")).is_some());
        assert!(es("6.8.9").cannot_read_repository(es("5.5.2")).is_none());
        assert!(os("1.3.20").cannot_read_repository(es("7.10.2")).is_none());
        assert!(os("2.19.6").cannot_read_repository(es("7.17.29")).is_some());
        assert!(es("8.19.21").cannot_read_repository(os("3.8.0")).is_some());
    }
}
