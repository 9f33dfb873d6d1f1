-- Groups are said as objects of their own, and managers of users are read.

-- What was last said of an object stands under its id; the type tells where its mirror is.
ALTER TABLE emitted ADD COLUMN object_type text NOT NULL DEFAULT 'user';

ALTER TABLE mirror_group ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}';
UPDATE mirror_group SET attributes = jsonb_strip_nulls(jsonb_build_object('id', group_id, 'displayName', display_name));

-- The attributes that were said last, by type of object. Others, or none: everything is looked at anew.
ALTER TABLE watch ADD COLUMN said_attributes jsonb;

-- The manager in a record of users/delta, as two keys of a flat record: `manager` is the id that was given (absent: none was), and
-- `manager@removed` holds the ids that were taken away, nobody when one was given.
CREATE FUNCTION manager_of(changes jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN (
    SELECT CASE
        WHEN count(*) = 0 THEN '{}'::jsonb
        WHEN bool_or(NOT m ? '@removed')
            THEN jsonb_build_object('manager', (array_agg(lower(m ->> 'id') ORDER BY n DESC) FILTER (WHERE NOT m ? '@removed'))[1],
                                    'manager@removed', '[]'::jsonb)
        ELSE jsonb_build_object('manager@removed', jsonb_agg(lower(m ->> 'id')))
    END
    FROM jsonb_array_elements(CASE jsonb_typeof(changes) WHEN 'array' THEN changes ELSE '[]' END) WITH ORDINALITY AS change (m, n)
);

-- Attributes of a user with what a round or a full read said of them: absent keeps, null clears. A manager is cleared when the very one that
-- is known was taken away, or when a full read gives none. Who is read by id and has none says so, which is no news of who had none.
CREATE FUNCTION brought_up(known jsonb, said jsonb, whole boolean) RETURNS jsonb LANGUAGE sql IMMUTABLE RETURN
    ((known || CASE WHEN said -> 'manager' = 'null' AND NOT known ? 'manager' THEN said - 'manager' ELSE said END) - 'manager@removed') || CASE
        WHEN (said -> 'manager@removed') ? coalesce(said ->> 'manager', known ->> 'manager', '') THEN '{"manager": null}'::jsonb
        WHEN whole AND known ->> 'manager' IS NOT NULL AND NOT said ? 'manager' THEN '{"manager": null}'::jsonb
        ELSE '{}'::jsonb
    END;
