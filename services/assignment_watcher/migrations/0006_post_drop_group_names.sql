-- What moved to the attributes of a group.

ALTER TABLE mirror_group DROP COLUMN display_name;
