fairvisor help validate
