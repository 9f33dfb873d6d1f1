-- What moved to the tables stream and recheck.

ALTER TABLE watch
    DROP COLUMN groups_query, DROP COLUMN groups_link, DROP COLUMN groups_issued_at,
    DROP COLUMN users_query, DROP COLUMN users_link, DROP COLUMN users_issued_at;
DROP TABLE unresolved;
