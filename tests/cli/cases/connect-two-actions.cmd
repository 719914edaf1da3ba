fairvisor connect --list --rollback
