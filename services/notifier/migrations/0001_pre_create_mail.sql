-- What fails now, one row for each subject and code; a row without a mail waits to be mailed. It goes when the subject has recovered.
CREATE TABLE problem (
    job_id      text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('users', 'job')),
    subject     text NOT NULL,
    code        text NOT NULL,
    generation  bigint NOT NULL,
    message     text NOT NULL,
    advice      text NOT NULL,
    http_status integer,
    at          timestamptz NOT NULL,
    recovered   boolean NOT NULL DEFAULT false,
    mail_id     uuid,
    PRIMARY KEY (job_id, kind, subject, code)
);
CREATE INDEX problem_to_mail ON problem (job_id, kind, at, subject) WHERE mail_id IS NULL;

-- When the next mail of one kind about one job is due. Whoever adds to a collection, or mails it, locks its row first.
CREATE TABLE collection (
    job_id       text NOT NULL,
    kind         text NOT NULL,
    first_at     timestamptz,
    last_at      timestamptz,
    last_mail_at timestamptz,
    mails        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job_id, kind),
    CONSTRAINT both_or_none CHECK ((first_at IS NULL) = (last_at IS NULL))
);

-- Every mail, and what became of it. The recipient is not kept here: it is the one that the job names when the mail goes out.
CREATE TABLE mail (
    id              uuid PRIMARY KEY,
    job_id          text NOT NULL,
    kind            text NOT NULL,
    state           text NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'uncertain', 'suppressed')),
    content         jsonb NOT NULL,
    reason          text,
    attempts        integer NOT NULL DEFAULT 0,
    problems        bigint NOT NULL,
    next_attempt_at timestamptz,
    created_at      timestamptz NOT NULL,
    changed_at      timestamptz NOT NULL
);
CREATE INDEX mail_unsettled ON mail (next_attempt_at) WHERE state IN ('pending', 'sending', 'failed', 'uncertain');
