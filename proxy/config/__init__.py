"""Policy files -> typed values, or every problem at once with file, line and column."""
