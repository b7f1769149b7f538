"""What a person types: the verbs (`app`), and how executions are shown."""
