fairvisor logs --policy
