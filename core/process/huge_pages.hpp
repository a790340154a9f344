#pragma once

namespace tine {

/// Folds this process's large private memory into huge pages. A fork copies a page table entry for each page,
/// and its end goes through them again: of 500 MB in small pages 15 ms and 11 ms, in huge ones 1 ms and 1 ms.
/// Memory that is not touched yet stays as it is. Takes about as long as copying what is folded; a kernel
/// that cannot (before 6.1, or without huge pages) leaves all as it was.
void fold_into_huge_pages();

}  // namespace tine
