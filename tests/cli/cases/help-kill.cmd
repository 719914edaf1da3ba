fairvisor help kill
