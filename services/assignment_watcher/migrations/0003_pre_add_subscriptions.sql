-- Subscriptions to change notifications at Microsoft Graph: two for each job while notifications are on.

-- The client state is kept as its SHA-256 only: what arrives is compared with it, and nobody needs it again. A row without a subscription id
-- was asked for and has no answer yet. The wish is what a lifecycle notification asked for; the problem, what the last failed try said.
CREATE TABLE subscription (
    job_id              text NOT NULL,
    stream              text NOT NULL CHECK (stream IN ('groups', 'users')),
    identity            text NOT NULL,
    address             text NOT NULL,
    client_state_digest bytea NOT NULL,
    subscription_id     text,
    renewed_at          timestamptz NOT NULL,
    expires_at          timestamptz,
    wish                text CHECK (wish IN ('reauthorize', 'recreate')),
    failures            integer NOT NULL DEFAULT 0,
    retry_at            timestamptz,
    problem             text,
    PRIMARY KEY (job_id, stream)
);
