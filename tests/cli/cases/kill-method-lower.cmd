fairvisor kill method get
