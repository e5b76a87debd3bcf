//! Pipelines of the tools on real servers. `make test` gives them a bed of servers; without one they fail and say so.
