//! What comparisons of a column do not see, by its collation and its type.

use freshet_core::template::Fold;

use crate::written::source::{EngineName, SourceColumn};

/// What comparisons of the column do not see, as the fold that takes it away.
pub(crate) fn ignored_by(engine: EngineName, column: &SourceColumn) -> Fold {
    let kind = column.kind.to_ascii_lowercase();
    let base = kind.split(['(', ' ']).next().unwrap_or_default();
    let collation = column.collation.as_deref().map(str::to_ascii_lowercase);
    match engine {
        EngineName::Postgres => {
            let varying = kind.contains("varying") || kind.ends_with("[]");
            let deterministic = ["c", "posix", "default", "ucs_basic"];
            Fold {
                lower: base == "citext"
                    || collation.is_some_and(|it| !deterministic.contains(&it.as_str())),
                trim: matches!(base, "character" | "char" | "bpchar") && !varying,
            }
        }
        // The server gives back the value of a list as the list spells it.
        EngineName::Mysql | EngineName::Mariadb if matches!(base, "enum" | "set") => {
            Fold::default()
        }
        EngineName::Mysql | EngineName::Mariadb => collation.map_or_else(Fold::default, |it| {
            let padded = it != "binary" && !it.contains("nopad") && !it.contains("_0900_");
            Fold {
                lower: it.ends_with("_ci"),
                trim: padded,
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignored(engine: EngineName, kind: &str, collation: Option<&str>) -> (bool, bool) {
        let column = SourceColumn {
            collation: collation.map(str::to_owned),
            ..SourceColumn::new("c", kind, true)
        };
        let fold = ignored_by(engine, &column);
        (fold.lower, fold.trim)
    }

    #[test]
    fn what_mysql_and_mariadb_ignore() {
        for (collation, wanted) in [
            ("utf8mb4_general_ci", (true, true)),
            ("utf8mb4_unicode_ci", (true, true)),
            ("latin1_swedish_ci", (true, true)),
            ("utf8mb4_0900_ai_ci", (true, false)),
            ("utf8mb4_0900_as_cs", (false, false)),
            ("utf8mb4_0900_bin", (false, false)),
            ("utf8mb4_bin", (false, true)),
            ("utf8mb4_nopad_bin", (false, false)),
            ("utf8mb4_general_nopad_ci", (true, false)),
            ("utf8mb4_uca1400_nopad_ai_ci", (true, false)),
            ("utf8mb4_uca1400_as_cs", (false, true)),
            ("binary", (false, false)),
        ] {
            for engine in [EngineName::Mysql, EngineName::Mariadb] {
                let found = ignored(engine, "varchar(20)", Some(collation));
                assert_eq!(found, wanted, "{collation}");
            }
        }
        let none = (false, false);
        assert_eq!(ignored(EngineName::Mysql, "varchar(20)", None), none);
        let list = "enum('a','b')";
        assert_eq!(
            ignored(EngineName::Mysql, list, Some("utf8mb4_general_ci")),
            none
        );
    }

    #[test]
    fn what_postgres_ignores() {
        for (kind, collation, wanted) in [
            ("text", None, (false, false)),
            ("citext", None, (true, false)),
            ("text", Some("C"), (false, false)),
            ("text", Some("ignore_accents"), (true, false)),
            ("character(5)", None, (false, true)),
            ("character varying(5)", None, (false, false)),
            ("bigint", None, (false, false)),
        ] {
            assert_eq!(
                ignored(EngineName::Postgres, kind, collation),
                wanted,
                "{kind}"
            );
        }
    }
}
