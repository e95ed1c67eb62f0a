"""Files: tables read, results and reports written."""
