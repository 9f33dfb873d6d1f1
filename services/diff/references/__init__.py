"""References to other objects (the manager): written by the target's id of the referenced user, in an update after the create."""
