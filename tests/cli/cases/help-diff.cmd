fairvisor help diff
