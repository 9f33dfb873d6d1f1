-- Groups that fail are mailed apart from users.
ALTER TABLE problem
    DROP CONSTRAINT problem_kind_check,
    ADD CONSTRAINT problem_kind_check CHECK (kind IN ('users', 'groups', 'job'));
