#pragma once
#include <string>
#include <vector>

namespace tine::cmd {

using Row = std::vector<std::string>;

/// Columns as wide as their widest cell, two blanks between them, none at a line's end. Control
/// characters of a cell become '?', so that a job's name cannot write to the terminal.
/// On a terminal that may have them, the column whose head is STATE has colours.
std::string table(const std::vector<Row>& rows);

}  // namespace tine::cmd
