-- Returns the bytes of the file, free pages included.
SELECT pages.page_count * sizes.page_size AS bytes
FROM pragma_page_count() AS pages, pragma_page_size() AS sizes
