"""scim-writer: carries commands out at the target by SCIM 2.0, one process for each job, and says what became of each."""
